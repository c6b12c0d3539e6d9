//! The codes of reading and writing documents.

use crate::base::Code;

/// A charset nobody here speaks, or one that is refused on purpose.
pub const CHARSET_UNKNOWN: Code = Code::new("XD-F001", "unknown or refused charset", "未知或不允许的字符集");
/// Two places name different charsets.
pub const CHARSET_CONFLICT: Code = Code::new("XD-F002", "charset declarations disagree", "字符集声明互相矛盾");
/// Bytes that mean nothing in the charset.
pub const CHARSET_MALFORMED: Code = Code::new("XD-F003", "bytes are not valid in the charset", "字节不符合字符集");
/// A limit is exceeded.
pub const LIMIT: Code = Code::new("XD-F004", "document exceeds a limit", "文档超出限制");
/// XML markup that does not parse.
pub const XML_SYNTAX: Code = Code::new("XD-F010", "XML is not well-formed", "XML 格式不正确");
/// A character XML 1.0 does not allow.
pub const XML_CHARACTER: Code = Code::new("XD-F011", "character not allowed in XML", "XML 不允许的字符");
/// A name that breaks the rules of names.
pub const XML_NAME: Code = Code::new("XD-F012", "not a legal XML name", "不合法的 XML 名称");
/// Start and end tags that do not pair.
pub const XML_TAGS: Code = Code::new("XD-F013", "XML tags do not match", "XML 标签不匹配");
/// No root element, several, or text outside it.
pub const XML_ROOT: Code = Code::new("XD-F014", "XML needs exactly one root element", "XML 必须有且只有一个根元素");
/// An attribute that is malformed or there twice.
pub const XML_ATTRIBUTE: Code = Code::new("XD-F015", "malformed or repeated XML attribute", "XML 属性格式错误或重复");
/// A prefix that is not bound, or a reserved one bound.
pub const XML_NAMESPACE: Code = Code::new("XD-F016", "XML namespace prefix misused", "XML 命名空间前缀使用错误");
/// An entity that is not one of the five, or a malformed reference.
pub const XML_REFERENCE: Code =
    Code::new("XD-F017", "undefined entity or malformed reference", "未定义的实体或错误的引用");
/// A document type declaration.
pub const XML_DOCTYPE: Code = Code::new("XD-F018", "DOCTYPE is not accepted", "不接受 DOCTYPE");
/// A malformed XML declaration.
pub const XML_DECLARATION: Code = Code::new("XD-F019", "malformed XML declaration", "XML 声明格式错误");
/// A malformed comment, CDATA section or processing instruction.
pub const XML_MISC: Code =
    Code::new("XD-F020", "malformed comment or processing instruction", "注释或处理指令格式错误");
/// Not well-formed, but repaired for a system that is read tolerantly.
pub const XML_REPAIRED: Code = Code::new("XD-F021", "XML was repaired", "XML 已修复");
/// JSON that does not parse.
pub const JSON_SYNTAX: Code = Code::new("XD-F030", "JSON is not well-formed", "JSON 格式不正确");
/// A malformed JSON string.
pub const JSON_STRING: Code = Code::new("XD-F031", "malformed JSON string", "JSON 字符串格式错误");
/// A malformed JSON number.
pub const JSON_NUMBER: Code = Code::new("XD-F032", "malformed JSON number", "JSON 数字格式错误");
/// A member name used twice in one object.
pub const JSON_DUPLICATE: Code = Code::new("XD-F033", "JSON member name used twice", "JSON 成员名重复");
/// JSON that is not built the way the system's setting says.
pub const JSON_CONVENTION: Code = Code::new("XD-F034", "JSON does not follow the convention", "JSON 不符合约定的结构");
/// A document XML has no form for.
pub const XML_WRITE: Code = Code::new("XD-F040", "document cannot be written as XML", "文档无法写成 XML");
/// A document JSON has no form for.
pub const JSON_WRITE: Code = Code::new("XD-F041", "document cannot be written as JSON", "文档无法写成 JSON");
/// A character the output charset lacks.
pub const UNMAPPABLE: Code = Code::new("XD-F042", "character missing in the output charset", "输出字符集缺少该字符");
/// A batch in which records can no longer be told apart.
pub const SPLIT: Code = Code::new("XD-F050", "batch cannot be split", "批次无法拆分");
/// Not a way to say where the records of a batch are.
pub const RECORDS: Code = Code::new("XD-F051", "not a path to records", "不是有效的记录路径");

/// Every code of this module.
pub const CODES: &[Code] = &[
    CHARSET_UNKNOWN,
    CHARSET_CONFLICT,
    CHARSET_MALFORMED,
    LIMIT,
    XML_SYNTAX,
    XML_CHARACTER,
    XML_NAME,
    XML_TAGS,
    XML_ROOT,
    XML_ATTRIBUTE,
    XML_NAMESPACE,
    XML_REFERENCE,
    XML_DOCTYPE,
    XML_DECLARATION,
    XML_MISC,
    XML_REPAIRED,
    JSON_SYNTAX,
    JSON_STRING,
    JSON_NUMBER,
    JSON_DUPLICATE,
    JSON_CONVENTION,
    XML_WRITE,
    JSON_WRITE,
    UNMAPPABLE,
    SPLIT,
    RECORDS,
];
