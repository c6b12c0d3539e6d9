//! Codes of settings: XD-G.

use crate::base::Code;

/// The settings file cannot be read as TOML.
pub const SYNTAX: Code = Code::new("XD-G001", "the settings file cannot be read", "设置文件无法读取");
/// A setting nobody knows.
pub const UNKNOWN: Code = Code::new("XD-G002", "unknown setting", "未知的设置项");
/// A setting with a value of the wrong kind.
pub const WRONG_VALUE: Code = Code::new("XD-G003", "a setting has a wrong value", "设置项的值不对");

/// Every code of this module.
pub const CODES: &[Code] = &[SYNTAX, UNKNOWN, WRONG_VALUE];
