//! Codes of the life of a message: XD-D.

use crate::base::Code;

/// The document type named is none the system may send.
pub const UNKNOWN_TYPE: Code = Code::new("XD-D001", "unknown document type", "未知的单据类型");
/// The key was used before with other bytes.
pub const KEY_CONFLICT: Code = Code::new("XD-D002", "the key was used with other content", "同一键已用于不同内容");
/// Neither XML nor JSON.
pub const NO_SYNTAX: Code = Code::new("XD-D003", "neither XML nor JSON", "既不是 XML 也不是 JSON");
/// The content is no document the system may send.
pub const NOT_IDENTIFIED: Code = Code::new("XD-D004", "the document is of no known type", "无法识别单据类型");
/// A message with several documents cannot be taken apart.
pub const SEVERAL_DOCUMENTS: Code =
    Code::new("XD-D005", "the documents of the message cannot be separated", "无法拆分消息中的多个单据");
/// No route takes it.
pub const NO_ROUTE: Code = Code::new("XD-D006", "no route takes this document", "没有路由接收该单据");
/// A formula of a route failed.
pub const ROUTE_FORMULA: Code = Code::new("XD-D007", "a formula of the route failed", "路由公式出错");
/// Processing ended the process, or panicked.
pub const POISON: Code = Code::new("XD-D008", "processing this message failed unexpectedly", "处理该消息时意外失败");
/// A code table has no row for a value of the document.
pub const MISSING_CODE: Code = Code::new("XD-D009", "a code is not mapped", "代码未映射");
/// The target system does not know an entity yet.
pub const MISSING_XREF: Code = Code::new("XD-D010", "waits for another document", "等待另一单据");
/// The partner said no.
pub const REJECTED: Code = Code::new("XD-D011", "the partner refused the document", "对方拒绝了该单据");
/// All attempts were used.
pub const EXHAUSTED: Code = Code::new("XD-D012", "all attempts failed", "所有尝试均失败");
/// All attempts were used and one of them may have arrived.
pub const UNKNOWN_OUTCOME: Code = Code::new("XD-D013", "nobody knows whether it arrived", "无法确定是否送达");
/// The route or system is no longer there.
pub const GONE: Code = Code::new("XD-D014", "the route or its system is gone", "路由或系统已不存在");
/// The partner has a document of this number that we did not send.
pub const NUMBER_TAKEN: Code = Code::new("XD-D015", "the partner has this number already", "对方已存在该编号");
/// The destination fails again and again.
pub const BREAKER_OPEN: Code =
    Code::new("XD-D016", "deliveries pause: the destination keeps failing", "目标系统持续失败，暂停投递");
/// The partner said that the address is gone.
pub const ADDRESS_GONE: Code = Code::new("XD-D017", "the destination's address is gone", "目标地址已永久失效");
/// The calendar does not let deliveries pass at this moment.
pub const CLOSED: Code = Code::new("XD-D018", "held by the calendar", "日历规则暂缓投递");
/// The posting date lies in a closed period.
pub const PERIOD_CLOSED: Code = Code::new("XD-D019", "the fiscal period is closed", "会计期间已关闭");
/// The posting date cannot be told.
pub const POSTING_DATE: Code = Code::new("XD-D020", "the posting date cannot be told", "无法确定记账日期");
/// An instruction of an operator makes no sense.
pub const BAD_INSTRUCTION: Code = Code::new("XD-D030", "the instruction makes no sense", "指令无法执行");
/// A corrected document would be held again.
pub const STILL_HELD: Code =
    Code::new("XD-D031", "the corrected document would be held again", "更正后的单据仍会被挂起");

/// More is undelivered than the settings allow.
pub const BACKLOG: Code = Code::new("XD-D040", "too much is not done yet", "未完成的消息过多");

/// Every code of this module.
pub const CODES: &[Code] = &[
    UNKNOWN_TYPE,
    KEY_CONFLICT,
    NO_SYNTAX,
    NOT_IDENTIFIED,
    SEVERAL_DOCUMENTS,
    NO_ROUTE,
    ROUTE_FORMULA,
    POISON,
    MISSING_CODE,
    MISSING_XREF,
    REJECTED,
    EXHAUSTED,
    UNKNOWN_OUTCOME,
    GONE,
    NUMBER_TAKEN,
    BREAKER_OPEN,
    ADDRESS_GONE,
    CLOSED,
    PERIOD_CLOSED,
    POSTING_DATE,
    BAD_INSTRUCTION,
    STILL_HELD,
    BACKLOG,
];
