//! Codes of content files: XD-C.

use crate::base::Code;

/// The YAML itself cannot be read.
pub const SYNTAX: Code = Code::new("XD-C001", "the YAML cannot be read", "YAML 无法读取");
/// A key nobody knows.
pub const UNKNOWN_KEY: Code = Code::new("XD-C002", "unknown key", "未知的键");
/// A key that must be there is not.
pub const MISSING_KEY: Code = Code::new("XD-C003", "a required key is missing", "缺少必需的键");
/// A value of the wrong kind.
pub const WRONG_VALUE: Code = Code::new("XD-C004", "the value is of the wrong kind", "值的类型不对");

/// Every code of this module.
pub const CODES: &[Code] = &[SYNTAX, UNKNOWN_KEY, MISSING_KEY, WRONG_VALUE];
