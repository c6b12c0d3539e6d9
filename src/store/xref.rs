//! Cross references between systems, and the keys under which deliveries wait.

use std::fmt;

/// Which cross reference: the entity's kind, where and under what id it is known, and the system asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct XrefKey {
    /// The entity's kind: `customer`, `vehicle`.
    pub entity: String,
    /// The system that knows the entity as `source_id`.
    pub source_system: String,
    /// The entity's id there.
    pub source_id: String,
    /// The system whose id is asked for.
    pub target_system: String,
}

/// A cross reference learnt from a partner's answer. A later one for the same key replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewXref {
    /// Which.
    pub key: XrefKey,
    /// The entity's id in the target system.
    pub target_id: String,
}

/// What a delivery waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WaitKey {
    /// A cross reference; arrives with another delivery's answer.
    Xref(XrefKey),
    /// An entry in a code table; a person adds it. Released by the caller after tables were loaded.
    Code {
        /// The code table: `department`.
        table: String,
        /// The value without an entry.
        value: String,
        /// The system whose code is missing.
        target_system: String,
    },
    /// A fiscal period that is closed; a person opens it in the calendar. Released by the caller after calendars were
    /// loaded.
    Period {
        /// The calendar.
        calendar: String,
        /// The day that lies in it, `YYYY-MM-DD`.
        day: String,
    },
}

/// `xref:customer:crm:C-01:u8-south`, `code:department:销售三部:u8-south`, `period:finance:2026-10-31`. A colon or percent sign inside a part is
/// written `%3A` or `%25`, so that parts never run together.
impl fmt::Display for WaitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: &[&str] = match self {
            Self::Xref(key) => &["xref", &key.entity, &key.source_system, &key.source_id, &key.target_system],
            Self::Code { table, value, target_system } => &["code", table, value, target_system],
            Self::Period { calendar, day } => &["period", calendar, day],
        };
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                f.write_str(":")?;
            }
            f.write_str(&part.replace('%', "%25").replace(':', "%3A"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{WaitKey, XrefKey};

    #[test]
    fn parts_of_a_wait_key_never_run_together() {
        let key = |source_system: &str, source_id: &str| {
            WaitKey::Xref(XrefKey {
                entity: "customer".into(),
                source_system: source_system.into(),
                source_id: source_id.into(),
                target_system: "u8-south".into(),
            })
            .to_string()
        };
        assert_eq!(key("crm", "C-01"), "xref:customer:crm:C-01:u8-south");
        assert_ne!(key("a:b", "c"), key("a", "b:c"));
    }
}
