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
/// A document in which no document of the profile is found.
pub const UNRECOGNISED: Code = Code::new("XD-P005", "no document of this profile inside", "其中没有本配置的单据");
/// A document without its business key or site.
pub const NO_KEY: Code = Code::new("XD-P006", "the document has no business key", "单据没有业务主键");

/// Every code of this module.
pub const CODES: &[Code] = &[UNKNOWN_SETTING, MISSING_SETTING, UNKNOWN_TYPE, UNKNOWN_REPLY, UNRECOGNISED, NO_KEY];
