//! Codes of mappings: XD-M.

use crate::base::Code;

/// An output name the target does not have.
pub const UNKNOWN_NAME: Code = Code::new("XD-M001", "the target has no such name", "目标单据中没有此名称");
/// A `$key` nobody knows.
pub const UNKNOWN_INSTRUCTION: Code = Code::new("XD-M002", "unknown instruction", "未知的指令");
/// An instruction of a later version.
pub const NOT_SUPPORTED: Code = Code::new("XD-M003", "not supported yet", "暂不支持");
/// A required target field that no rule fills.
pub const UNFILLED: Code = Code::new("XD-M004", "nobody fills a required field", "必填字段没有映射规则");
/// An output prefix that is not declared.
pub const UNKNOWN_PREFIX: Code = Code::new("XD-M005", "unknown namespace prefix", "未声明的命名空间前缀");
/// A rule whose form does not fit the target.
pub const WRONG_FORM: Code = Code::new("XD-M006", "the rule does not fit the target", "规则与目标结构不符");
/// A literal that does not fit the target's type.
pub const WRONG_LITERAL: Code = Code::new("XD-M007", "the literal does not fit the target", "常量与目标类型不符");
/// A fragment that does not exist, or uses itself.
pub const UNKNOWN_FRAGMENT: Code = Code::new("XD-M008", "the fragment cannot be used", "片段无法使用");
/// One rule may make several where one is allowed.
pub const TOO_MANY: Code = Code::new("XD-M009", "repeats what may be there once only", "重复了只允许出现一次的字段");

/// A required field came out absent.
pub const ABSENT: Code = Code::new("XD-M020", "a required field is absent", "必填字段缺失");
/// Several values for one field.
pub const SEVERAL: Code = Code::new("XD-M021", "several values for one field", "单值字段得到多个值");
/// A value does not fit the target's type.
pub const MISFIT: Code = Code::new("XD-M022", "the value does not fit the target", "值与目标类型不符");
/// An element with children was used as a text.
pub const NOT_A_TEXT: Code = Code::new("XD-M023", "an element with children is not a value", "含子元素的节点不是值");
/// An assertion of the mapping does not hold.
pub const ASSERTION: Code = Code::new("XD-M024", "an assertion does not hold", "断言不成立");
/// The output is larger than allowed.
pub const TOO_LARGE: Code = Code::new("XD-M025", "the output is too large", "输出超出限制");
/// Attributes were copied behind content.
pub const MISPLACED_COPY: Code = Code::new("XD-M026", "this cannot be copied here", "无法复制到此处");
/// Every code of this module.
pub const CODES: &[Code] = &[
    UNKNOWN_NAME,
    UNKNOWN_INSTRUCTION,
    NOT_SUPPORTED,
    UNFILLED,
    UNKNOWN_PREFIX,
    WRONG_FORM,
    WRONG_LITERAL,
    UNKNOWN_FRAGMENT,
    TOO_MANY,
    ABSENT,
    SEVERAL,
    MISFIT,
    NOT_A_TEXT,
    ASSERTION,
    TOO_LARGE,
    MISPLACED_COPY,
];
