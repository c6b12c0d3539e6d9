//! The store's error codes.

use crate::base::Code;

/// Another process uses the data directory.
pub const IN_USE: Code = Code::new("XD-J001", "data directory in use by another process", "数据目录正被另一进程使用");
/// The file system cannot keep what the store promises.
pub const FILE_SYSTEM: Code = Code::new("XD-J002", "file system not suitable for the store", "文件系统不适合存放数据");
/// The SQLite library or its settings cannot keep what the store promises.
pub const DATABASE_UNSAFE: Code =
    Code::new("XD-J003", "database library or settings not safe", "数据库版本或设置不安全");
/// The database was written by a newer program.
pub const NEWER_DATABASE: Code = Code::new("XD-J004", "database is newer than this program", "数据库版本高于本程序");
/// Reading or writing the store failed.
pub const FAILED: Code = Code::new("XD-J005", "store failed", "存储故障");
/// Stored bytes changed.
pub const DIGEST: Code = Code::new("XD-J006", "stored bytes do not match their digest", "存储内容与摘要不符");
/// The store cannot answer now.
pub const UNAVAILABLE: Code = Code::new("XD-J007", "store not available at the moment", "存储暂时不可用");
/// No such message or delivery.
pub const NOT_FOUND: Code = Code::new("XD-J008", "no such message or delivery", "没有该消息或投递");
/// The state does not allow it.
pub const CONFLICT: Code = Code::new("XD-J009", "the present state does not allow this", "当前状态不允许此操作");
/// The data directory or database cannot be opened.
pub const CANNOT_OPEN: Code =
    Code::new("XD-J010", "data directory or database cannot be opened", "无法打开数据目录或数据库");

/// The disk has too little room, or none.
pub const STORAGE_LOW: Code = Code::new("XD-J011", "storage low", "存储空间不足");

/// Every code of this module.
pub const CODES: &[Code] = &[
    IN_USE,
    FILE_SYSTEM,
    DATABASE_UNSAFE,
    NEWER_DATABASE,
    FAILED,
    DIGEST,
    UNAVAILABLE,
    NOT_FOUND,
    CONFLICT,
    CANNOT_OPEN,
    STORAGE_LOW,
];
