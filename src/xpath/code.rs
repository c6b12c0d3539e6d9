//! The error codes of the formula language.

use crate::base::Code;

/// The text is not a formula (W3C `XPST0003`).
pub const SYNTAX: Code = Code::new("XD-X001", "formula cannot be read", "公式语法错误");
/// A prefix is not declared (`XPST0081`).
pub const UNKNOWN_PREFIX: Code = Code::new("XD-X002", "unknown namespace prefix", "未声明的命名空间前缀");
/// A variable is not declared (`XPST0008`), or its name is reserved.
pub const UNKNOWN_VARIABLE: Code = Code::new("XD-X003", "unknown variable", "未知变量");
/// A function does not exist or does not take that many arguments (`XPST0017`).
pub const UNKNOWN_FUNCTION: Code =
    Code::new("XD-X004", "unknown function or wrong arguments", "未知函数或参数个数错误");
/// A type name is not known (`XPST0051`).
pub const UNKNOWN_TYPE: Code = Code::new("XD-X005", "unknown type", "未知类型");
/// No document of the source type has this step.
pub const UNKNOWN_STEP: Code = Code::new("XD-X006", "path leads nowhere", "源文档类型中没有此路径");
/// A code table named by a literal does not exist.
pub const UNKNOWN_TABLE: Code = Code::new("XD-X007", "unknown code table", "码表不存在");
/// A pattern or picture that can never work.
pub const BAD_LITERAL: Code = Code::new("XD-X008", "invalid pattern, picture or name", "正则、格式图样或名称无效");
/// A part of a formula whose types can never work together.
pub const NEVER_WORKS: Code = Code::new("XD-X040", "can never work", "类型不符，永远无法求值");
/// A part of a formula that fails for some documents of the source type.
pub const DOUBTFUL: Code = Code::new("XD-X041", "may not be a number", "可能不是数字");
/// One value is needed, and a path may give several.
pub const MAY_BE_SEVERAL: Code = Code::new("XD-X042", "one value is needed", "此处只能有一个值");
/// A comparison that never, or always, holds.
pub const NEVER_EQUAL: Code = Code::new("XD-X043", "never equal", "比较结果恒定");
/// Numbers compared letter by letter.
pub const AS_TEXT: Code = Code::new("XD-X044", "numbers compared as texts", "数字按文本比较");
/// A condition inside a formula that is known beforehand.
pub const CONSTANT_CONDITION: Code = Code::new("XD-X045", "the condition is always the same", "条件恒定");
/// A constant expression that fails.
pub const ALWAYS_FAILS: Code = Code::new("XD-X046", "always fails", "求值必定失败");
/// A value has the wrong type (`XPTY0004` and relatives).
pub const TYPE: Code = Code::new("XD-X020", "value of the wrong type", "值的类型不符");
/// A value cannot be converted (`FORG0001` and relatives).
pub const CONVERSION: Code = Code::new("XD-X021", "value cannot be converted", "值无法转换");
/// Arithmetic has no exact result (`FOAR0001`, `FOAR0002`, `FODT0001`, `FODT0002`).
pub const ARITHMETIC: Code = Code::new("XD-X022", "arithmetic without a result", "算术无结果");
/// Anything else that failed while evaluating.
pub const EVALUATION: Code = Code::new("XD-X023", "formula failed", "公式求值失败");
/// A code table has no row.
pub const MISSING_CODE: Code = Code::new("XD-X030", "code not mapped", "码值未对照");
/// A cross reference is not known yet.
pub const MISSING_XREF: Code = Code::new("XD-X031", "cross reference not known yet", "交叉引用尚不存在");
/// The evaluation took too many steps.
pub const BUDGET: Code = Code::new("XD-X032", "evaluation took too many steps", "求值步数超限");

/// Every code of this module.
pub const CODES: &[Code] = &[
    SYNTAX,
    UNKNOWN_PREFIX,
    UNKNOWN_VARIABLE,
    UNKNOWN_FUNCTION,
    UNKNOWN_TYPE,
    UNKNOWN_STEP,
    UNKNOWN_TABLE,
    BAD_LITERAL,
    NEVER_WORKS,
    DOUBTFUL,
    MAY_BE_SEVERAL,
    NEVER_EQUAL,
    AS_TEXT,
    CONSTANT_CONDITION,
    ALWAYS_FAILS,
    TYPE,
    CONVERSION,
    ARITHMETIC,
    EVALUATION,
    MISSING_CODE,
    MISSING_XREF,
    BUDGET,
];

/// The code shown beside a W3C code.
pub(super) fn of_w3c(w3c: &str) -> Code {
    match w3c {
        "XPST0003" => SYNTAX,
        "XPST0081" => UNKNOWN_PREFIX,
        "XPST0008" => UNKNOWN_VARIABLE,
        "XPST0017" => UNKNOWN_FUNCTION,
        "XPST0051" => UNKNOWN_TYPE,
        "XPTY0004" | "XPTY0018" | "XPTY0019" | "XPTY0020" | "XPDY0050" | "XPTY0117" | "FOTY0013" | "FORG0003"
        | "FORG0004" | "FORG0005" | "FORG0006" => TYPE,
        "FORG0001" | "FORG0008" | "FORG0010" | "FOCA0001" | "FOCA0002" | "FOCA0003" | "FOCH0001" | "FONS0004" => {
            CONVERSION
        }
        "FOAR0001" | "FOAR0002" | "FODT0001" | "FODT0002" | "FODT0003" | "FOCA0005" => ARITHMETIC,
        "FORX0001" | "FORX0002" | "FORX0003" | "FORX0004" | "FODF1280" | "FODF1310" | "FOFD1340" | "FOFD1350" => {
            BAD_LITERAL
        }
        _ => EVALUATION,
    }
}
