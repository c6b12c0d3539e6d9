//! Codes of schemas: XD-S.

use crate::base::Code;

/// A schema file is not there.
pub const MISSING_FILE: Code = Code::new("XD-S001", "the schema file cannot be found", "找不到模式文件");
/// A schema file is not a schema.
pub const NOT_A_SCHEMA: Code = Code::new("XD-S002", "the file is not an XML Schema", "文件不是 XML Schema");
/// A reference leads nowhere.
pub const UNKNOWN_REFERENCE: Code =
    Code::new("XD-S003", "the schema refers to something unknown", "模式引用了未定义的内容");
/// A part of a schema is not understood.
pub const UNSUPPORTED: Code =
    Code::new("XD-S004", "this part of the schema cannot be read", "无法解读模式中的这一部分");
/// A document breaks a rule of its schema.
pub const VIOLATION: Code = Code::new("XD-S010", "the document breaks its schema", "单据不符合其模式");
/// A schema cannot be compiled.
pub const INVALID_SCHEMA: Code = Code::new("XD-S011", "the schema is not valid", "模式本身无效");
/// The validator failed.
pub const VALIDATOR_FAILED: Code = Code::new("XD-S012", "the schema validator failed", "模式校验器失败");
/// An archive or folder of schemas cannot be used.
pub const FAMILY_SOURCE: Code =
    Code::new("XD-S030", "the archive or folder of schemas cannot be used", "模式压缩包或文件夹无法使用");
/// There is no schema in it.
pub const FAMILY_EMPTY: Code = Code::new("XD-S031", "there are no schemas in it", "其中没有模式文件");
/// Nobody knows under which terms schemas may be used.
pub const FAMILY_LICENCE: Code = Code::new("XD-S032", "the schemas come without a licence", "模式没有附带许可证");
/// Other schemas have that name.
pub const FAMILY_CONFLICT: Code =
    Code::new("XD-S033", "other schemas are there under that name", "该名称下已有其他模式");
/// Schema files are not as they were added.
pub const FAMILY_CHANGED: Code = Code::new("XD-S034", "a schema file is not as it was added", "模式文件与添加时不一致");

/// Every code of this module.
pub const CODES: &[Code] = &[
    MISSING_FILE,
    NOT_A_SCHEMA,
    UNKNOWN_REFERENCE,
    UNSUPPORTED,
    VIOLATION,
    INVALID_SCHEMA,
    VALIDATOR_FAILED,
    FAMILY_SOURCE,
    FAMILY_EMPTY,
    FAMILY_LICENCE,
    FAMILY_CONFLICT,
    FAMILY_CHANGED,
];
