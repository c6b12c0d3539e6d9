//! Codes of mappings: XD-M.

use crate::base::Code;

/// An output name the target does not have.
pub const UNKNOWN_NAME: Code = Code::new("XD-M001", "the target has no such name", "目标单据中没有此名称");
/// A `$key` nobody knows.
pub const UNKNOWN_INSTRUCTION: Code = Code::new("XD-M002", "unknown instruction", "未知的指令");
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

/// `$each` over what is there once at most.
pub const EACH_ONE: Code = Code::new("XD-M030", "repeats over one item at most", "循环的对象最多只有一项");
/// A field takes one value, and its formula may give several.
pub const MAY_BE_SEVERAL: Code = Code::new("XD-M031", "a field may get several values", "单值字段可能得到多个值");
/// A required field whose source may be absent.
pub const MAY_BE_ABSENT: Code = Code::new("XD-M032", "a required field may be absent", "必填字段可能缺失");
/// A value of a type that never fits the target's.
pub const NEVER_FITS: Code = Code::new("XD-M033", "the type never fits the target", "类型与目标永远不符");
/// A value of a type that does not always fit the target's.
pub const MAY_NOT_FIT: Code = Code::new("XD-M034", "the type may not fit the target", "类型可能与目标不符");
/// An element with children where a value is needed.
pub const NO_VALUE: Code = Code::new("XD-M035", "elements only, no value", "只含子元素，没有值");
/// A condition of the mapping that is known beforehand.
pub const CONSTANT_CONDITION: Code = Code::new("XD-M036", "the rule's condition never changes", "规则的条件恒定");
/// A branch no document gets to.
pub const UNREACHABLE: Code = Code::new("XD-M037", "an unreachable branch", "无法到达的分支");
/// A variable nobody uses.
pub const UNUSED_VARIABLE: Code = Code::new("XD-M038", "an unused variable", "未使用的变量");
/// A fragment nobody uses.
pub const UNUSED_FRAGMENT: Code = Code::new("XD-M039", "an unused fragment", "未使用的片段");
/// A prefix nobody uses.
pub const UNUSED_NAMESPACE: Code = Code::new("XD-M040", "an unused namespace", "未使用的命名空间");
/// A variable named like an integration function.
pub const RESERVED_NAME: Code = Code::new("XD-M041", "a reserved name", "保留名称");
/// One name made twice where it may stand once.
pub const DUPLICATE: Code = Code::new("XD-M042", "the same name twice", "名称重复");

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
/// One document was asked of a mapping that makes several.
pub const SEVERAL_DOCUMENTS: Code = Code::new("XD-M027", "the mapping makes several documents", "该映射生成多个单据");

/// Every code of this module.
pub const CODES: &[Code] = &[
    UNKNOWN_NAME,
    UNKNOWN_INSTRUCTION,
    UNFILLED,
    UNKNOWN_PREFIX,
    WRONG_FORM,
    WRONG_LITERAL,
    UNKNOWN_FRAGMENT,
    TOO_MANY,
    EACH_ONE,
    MAY_BE_SEVERAL,
    MAY_BE_ABSENT,
    NEVER_FITS,
    MAY_NOT_FIT,
    NO_VALUE,
    CONSTANT_CONDITION,
    UNREACHABLE,
    UNUSED_VARIABLE,
    UNUSED_FRAGMENT,
    UNUSED_NAMESPACE,
    RESERVED_NAME,
    DUPLICATE,
    ABSENT,
    SEVERAL,
    MISFIT,
    NOT_A_TEXT,
    ASSERTION,
    TOO_LARGE,
    MISPLACED_COPY,
    SEVERAL_DOCUMENTS,
];
