//! Codes of the operations listener: XD-A.

use crate::base::Code;

/// There is nothing at this path.
pub const UNKNOWN_PATH: Code = Code::new("XD-A001", "nothing to see at this path", "该路径下没有内容");
/// A query parameter nobody knows, or with a value it cannot have.
pub const BAD_QUERY: Code = Code::new("XD-A002", "the query cannot be understood", "无法理解查询参数");

/// Every code of this module.
pub const CODES: &[Code] = &[UNKNOWN_PATH, BAD_QUERY];
