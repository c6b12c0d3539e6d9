//! The error codes of sources and sinks, `XD-T…`.

use crate::base::Code;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $title:literal, $title_zh:literal;)+) => {
        $($(#[$doc])* pub const $name: Code = Code::new($id, $title, $title_zh);)+
        /// Every code of this module.
        pub const CODES: &[Code] = &[$($name),+];
    };
}

codes! {
    /// 401.
    KEY_MISSING_OR_WRONG = "XD-T001", "API key missing or wrong", "API 密钥缺失或错误";
    /// 404 for the system in the path.
    UNKNOWN_SYSTEM = "XD-T002", "No such system", "系统不存在";
    /// 404 for any other path.
    UNKNOWN_PATH = "XD-T003", "No such path", "路径不存在";
    /// 404 for a message id.
    UNKNOWN_MESSAGE = "XD-T004", "No such message", "消息不存在";
    /// 405.
    METHOD_NOT_ALLOWED = "XD-T005", "Method not allowed", "不支持该请求方法";
    /// 408.
    BODY_TOO_SLOW = "XD-T006", "The request body came too slowly", "请求正文接收超时";
    /// 413.
    BODY_TOO_LARGE = "XD-T007", "The request body is too large", "请求正文过大";
    /// 415.
    CONTENT_ENCODING = "XD-T008", "Unsupported content encoding", "不支持的内容编码";
    /// 503.
    NOT_ACCEPTING = "XD-T009", "Not accepting messages now", "暂不接收消息";
    /// 400 for a body that ended early.
    BODY_CUT = "XD-T010", "The request body ended early", "请求正文不完整";
    /// 400 for an idempotency key that cannot be used.
    BAD_HEADER = "XD-T011", "A request header cannot be used", "请求头无效";
    /// A source's or sink's settings cannot work.
    BAD_SETTINGS = "XD-T012", "The connection settings cannot work", "连接设置无效";
    /// A file beyond the size limit.
    FILE_TOO_LARGE = "XD-T013", "The file is too large", "文件过大";
    /// 503 while other bodies fill the memory set apart for them.
    BUSY = "XD-T025", "Too many bytes at once", "同时接收的数据过多";
    /// A batch file without a record where the settings say.
    NO_RECORDS = "XD-T014", "No record in the batch file", "批量文件中没有记录";
    /// A destination's address is of a kind that the hub may not connect to.
    DESTINATION_REFUSED = "XD-T015", "The destination's address is not allowed", "目标地址不被允许";
    /// A certificate or key of the listener cannot be used.
    TLS_FILE = "XD-T016", "A certificate or key cannot be used", "证书或密钥无法使用";
    /// A file that is not what its checksum says.
    CHECKSUM_WRONG = "XD-T018", "The file does not fit its checksum", "文件与校验和不符";
    /// 401 for a signature.
    SIGNATURE_WRONG = "XD-T017", "The request's signature is missing or wrong", "请求签名缺失或错误";
    /// A queue or exchange that is missing, different from what is declared, or not ours.
    BROKER_TARGET = "XD-T020", "The queue or exchange cannot be used", "队列或交换机无法使用";
}
