//! Codes of the checked set: XD-K.

use crate::base::Code;

/// A content file or folder cannot be read.
pub const UNREADABLE: Code = Code::new("XD-K001", "a content file cannot be read", "内容文件无法读取");
/// A route, mapping or system names a system that is not there.
pub const UNKNOWN_SYSTEM: Code = Code::new("XD-K002", "unknown system", "未知的系统");
/// A system names a profile that is not there.
pub const UNKNOWN_PROFILE: Code = Code::new("XD-K003", "unknown profile", "未知的接口规范");
/// A document type nobody speaks.
pub const UNKNOWN_TYPE: Code = Code::new("XD-K004", "unknown document type", "未知的单据类型");
/// A route names a mapping that is not there.
pub const UNKNOWN_MAPPING: Code = Code::new("XD-K005", "unknown mapping", "未知的映射");
/// A mapping or chain does not lead from the route's type to one the target speaks.
pub const TYPE_MISMATCH: Code = Code::new("XD-K006", "the mapping does not fit the route", "映射与路由不匹配");
/// A code table cannot be read.
pub const CODE_TABLE: Code = Code::new("XD-K007", "a code table cannot be read", "代码表无法读取");
/// A setting of a profile is missing or unknown.
pub const SETTING: Code = Code::new("XD-K008", "a profile setting is missing or unknown", "接口参数缺失或未知");
/// A secret cannot be had.
pub const SECRET: Code = Code::new("XD-K009", "a secret cannot be read", "密钥无法读取");
/// A name is used twice or is not a name.
pub const NAME: Code = Code::new("XD-K010", "a name is not usable", "名称不可用");
/// A system cannot do what a route asks of it.
pub const NO_ENDPOINT: Code = Code::new("XD-K011", "a system has no way in or out", "系统没有收发通道");
/// A code list cannot be read.
pub const CODE_LIST: Code = Code::new("XD-K012", "a code list cannot be read", "代码清单无法读取");
/// A calendar cannot be used.
pub const CALENDAR: Code = Code::new("XD-K013", "a calendar cannot be used", "日历不可用");
/// A system names a calendar that is not there.
pub const UNKNOWN_CALENDAR: Code = Code::new("XD-K014", "unknown calendar", "未知的日历");
/// A relay route asks for what only the journal can do.
pub const RELAY: Code = Code::new("XD-K020", "a relay route cannot do this", "中继路由不支持此设置");

/// Every code of this module.
pub const CODES: &[Code] = &[
    UNREADABLE,
    UNKNOWN_SYSTEM,
    UNKNOWN_PROFILE,
    UNKNOWN_TYPE,
    UNKNOWN_MAPPING,
    TYPE_MISMATCH,
    CODE_TABLE,
    SETTING,
    SECRET,
    NAME,
    NO_ENDPOINT,
    CODE_LIST,
    CALENDAR,
    UNKNOWN_CALENDAR,
    RELAY,
];
