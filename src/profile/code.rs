//! Codes of profiles: XD-P.

use crate::base::Code;

/// A setting the profile does not know.
pub const UNKNOWN_SETTING: Code = Code::new("XD-P001", "unknown setting", "未知的设置");
/// A setting that must be given is not.
pub const MISSING_SETTING: Code = Code::new("XD-P002", "a required setting is missing", "缺少必需的设置");
/// A document type the profile does not have.
pub const UNKNOWN_TYPE: Code = Code::new("XD-P003", "unknown document type", "未知的单据类型");
/// A reply of the simulator that is not defined.
pub const UNKNOWN_REPLY: Code = Code::new("XD-P004", "unknown reply", "未定义的应答");
/// The envelope says another number of documents than there are.
pub const COUNT_DIFFERS: Code = Code::new("XD-P005", "the control count differs", "控制计数不符");
/// A document breaks a value rule.
pub const RULE_BROKEN: Code = Code::new("XD-P006", "the document breaks a value rule", "单据违反取值规则");
/// A value rule has no answer for a document.
pub const RULE_FAILED: Code = Code::new("XD-P007", "a value rule could not be judged", "取值规则无法判定");
/// Two value rules have one name.
pub const RULE_TWICE: Code = Code::new("XD-P008", "a value rule is there twice", "取值规则重名");
/// A table of HTTP statuses is not understood.
pub const STATUS: Code = Code::new("XD-P009", "the table of statuses cannot be used", "状态码表不可用");

/// Every code of this module.
pub const CODES: &[Code] = &[
    UNKNOWN_SETTING,
    MISSING_SETTING,
    UNKNOWN_TYPE,
    UNKNOWN_REPLY,
    COUNT_DIFFERS,
    RULE_BROKEN,
    RULE_FAILED,
    RULE_TWICE,
    STATUS,
];
