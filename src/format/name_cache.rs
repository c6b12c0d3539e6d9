//! From a name as written to its number without hashing it twice: a small direct-mapped cache.

use crate::document::Name;

const SLOTS: usize = 256;

/// Remembers what a raw name meant in a scope. A crafted collision costs one look-up in the names table, no more.
pub(super) struct NameCache<'a> {
    slots: Vec<Option<Slot<'a>>>,
}

#[derive(Clone, Copy)]
struct Slot<'a> {
    raw: &'a str,
    scope: u32,
    name: Name,
}

impl<'a> NameCache<'a> {
    pub fn new() -> Self {
        Self { slots: vec![None; SLOTS] }
    }

    /// The name `raw` stood for in `scope`, asking `resolve` when it is not known.
    #[inline]
    pub fn name<E>(&mut self, raw: &'a str, scope: u32, resolve: impl FnOnce() -> Result<Name, E>) -> Result<Name, E> {
        let slot = &mut self.slots[slot_of(raw.as_bytes(), scope)];
        if let Some(known) = slot
            && known.scope == scope
            && known.raw == raw
        {
            return Ok(known.name);
        }
        let name = resolve()?;
        *slot = Some(Slot { raw, scope, name });
        Ok(name)
    }
}

#[inline]
fn slot_of(raw: &[u8], scope: u32) -> usize {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    let (first, last) = match (raw.first_chunk::<8>(), raw.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (word(raw), 0),
    };
    let mixed = (first ^ last.rotate_left(23) ^ (raw.len() as u64) << 56 ^ u64::from(scope) << 40).wrapping_mul(MIX);
    (mixed >> 56) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::document::NameTable;

    #[test]
    fn names_that_share_a_slot_or_differ_in_scope_are_never_mixed_up() {
        let raw: Vec<String> = (0..2_000).map(|number| format!("name{number}")).collect();
        let (mut names, mut cache) = (NameTable::default(), NameCache::new());
        for _ in 0..2 {
            for (raw, scope) in raw.iter().flat_map(|raw| [(raw, 0), (raw, 2)]) {
                let namespace = if scope == 0 { "" } else { "urn:x" };
                let name = cache.name(raw, scope, || Ok::<_, Infallible>(names.intern(namespace, raw)));
                let Ok(name) = name;
                let found = names.get(name);
                assert_eq!((&*found.namespace, &*found.local), (namespace, raw.as_str()));
            }
        }
    }
}
