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

/// Every code of this module.
pub const CODES: &[Code] = &[UNKNOWN_SETTING, MISSING_SETTING, UNKNOWN_TYPE, UNKNOWN_REPLY, COUNT_DIFFERS];
