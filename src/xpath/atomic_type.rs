//! The built-in simple types (XSD 1.1 part 2 §3), how they derive from each other, and what their facets allow.

use super::{BinaryKind, DurationKind, GregorianKind, Item};
use crate::document::{Decimal, is_name_char, is_name_start, is_ncname};

macro_rules! types {
    ($($(#[$doc:meta])* $variant:ident $name:literal from $parent:ident,)*) => {
        /// A type of atomic values, or one of the other simple types a formula can name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum AtomicType {
            $($(#[$doc])* $variant,)*
        }

        /// Every type by the name it has behind `xs:`, in the order of the variants.
        pub(super) const TYPES: &[(&str, AtomicType)] = &[$(($name, AtomicType::$variant),)*];

        /// The name with its prefix, and the type it is derived from, in the order of the variants.
        const DERIVATIONS: &[(&str, AtomicType)] = &[$((concat!("xs:", $name), AtomicType::$parent),)*];
    };
}

types! {
    AnySimple "anySimpleType" from AnySimple,
    AnyAtomic "anyAtomicType" from AnySimple,
    /// The union of the numeric types (XDM 3.1 §2.7.4).
    Numeric "numeric" from AnySimple,
    /// The union of no types: it has no values.
    Error "error" from AnySimple,
    Untyped "untypedAtomic" from AnyAtomic,
    String "string" from AnyAtomic,
    Boolean "boolean" from AnyAtomic,
    Decimal "decimal" from AnyAtomic,
    Integer "integer" from Decimal,
    Double "double" from AnyAtomic,
    Float "float" from AnyAtomic,
    Date "date" from AnyAtomic,
    Time "time" from AnyAtomic,
    DateTime "dateTime" from AnyAtomic,
    Duration "duration" from AnyAtomic,
    YearMonth "yearMonthDuration" from Duration,
    DayTime "dayTimeDuration" from Duration,
    Uri "anyURI" from AnyAtomic,
    Hex "hexBinary" from AnyAtomic,
    Base64 "base64Binary" from AnyAtomic,
    GYear "gYear" from AnyAtomic,
    GYearMonth "gYearMonth" from AnyAtomic,
    GMonth "gMonth" from AnyAtomic,
    GMonthDay "gMonthDay" from AnyAtomic,
    GDay "gDay" from AnyAtomic,
    QName "QName" from AnyAtomic,
    Notation "NOTATION" from AnyAtomic,
    DateTimeStamp "dateTimeStamp" from DateTime,
    NormalizedString "normalizedString" from String,
    Token "token" from NormalizedString,
    Language "language" from Token,
    NmToken "NMTOKEN" from Token,
    Name "Name" from Token,
    NcName "NCName" from Name,
    Id "ID" from NcName,
    IdRef "IDREF" from NcName,
    Entity "ENTITY" from NcName,
    NonPositiveInteger "nonPositiveInteger" from Integer,
    NegativeInteger "negativeInteger" from NonPositiveInteger,
    Long "long" from Integer,
    Int "int" from Long,
    Short "short" from Int,
    Byte "byte" from Short,
    NonNegativeInteger "nonNegativeInteger" from Integer,
    UnsignedLong "unsignedLong" from NonNegativeInteger,
    UnsignedInt "unsignedInt" from UnsignedLong,
    UnsignedShort "unsignedShort" from UnsignedInt,
    UnsignedByte "unsignedByte" from UnsignedShort,
    PositiveInteger "positiveInteger" from NonNegativeInteger,
    /// A list, as are the two after it: a cast to it yields a sequence.
    NmTokens "NMTOKENS" from AnySimple,
    IdRefs "IDREFS" from AnySimple,
    Entities "ENTITIES" from AnySimple,
}

impl AtomicType {
    /// The name without its prefix.
    pub fn name(self) -> &'static str {
        self.qualified_name().trim_start_matches("xs:")
    }

    /// The name with its prefix.
    pub fn qualified_name(self) -> &'static str {
        DERIVATIONS.get(self as usize).map_or("xs:anyAtomicType", |(name, _)| *name)
    }

    /// The type it is derived from; `None` for the root of the simple types.
    pub fn parent(self) -> Option<Self> {
        let (_, parent) = DERIVATIONS.get(self as usize)?;
        (*parent != self).then_some(*parent)
    }

    /// The type of an atomic item; `None` for nodes, maps and arrays.
    pub fn of(item: &Item) -> Option<Self> {
        Some(match item {
            Item::Node(..) | Item::Map(_) | Item::Array(_) => return None,
            Item::Untyped(_) => Self::Untyped,
            Item::String(_) => Self::String,
            Item::Boolean(_) => Self::Boolean,
            Item::Integer(_) => Self::Integer,
            Item::Decimal(_) => Self::Decimal,
            Item::Double(_) => Self::Double,
            Item::Float(_) => Self::Float,
            Item::Date(_) => Self::Date,
            Item::Time(_) => Self::Time,
            Item::DateTime(_) => Self::DateTime,
            Item::Duration(value) => match value.kind {
                DurationKind::Any => Self::Duration,
                DurationKind::YearMonth => Self::YearMonth,
                DurationKind::DayTime => Self::DayTime,
            },
            Item::Uri(_) => Self::Uri,
            Item::Binary(BinaryKind::Hex, _) => Self::Hex,
            Item::Binary(BinaryKind::Base64, _) => Self::Base64,
            Item::Gregorian(value) => match value.kind {
                GregorianKind::Year => Self::GYear,
                GregorianKind::YearMonth => Self::GYearMonth,
                GregorianKind::Month => Self::GMonth,
                GregorianKind::MonthDay => Self::GMonthDay,
                GregorianKind::Day => Self::GDay,
            },
            Item::QName(_) => Self::QName,
            Item::Derived(derived) => derived.of,
        })
    }

    /// Whether values can be cast to it; the abstract types have none of their own.
    pub fn is_concrete(self) -> bool {
        !matches!(self, Self::AnySimple | Self::AnyAtomic | Self::Notation)
    }

    /// Whether a sequence type may name it: atomic types and unions of them, not lists (XPath 3.1 §2.5.4).
    pub fn is_item_type(self) -> bool {
        !matches!(self, Self::AnySimple | Self::NmTokens | Self::IdRefs | Self::Entities)
    }

    /// The type of the items, for a list type.
    pub fn of_list(self) -> Option<Self> {
        match self {
            Self::NmTokens => Some(Self::NmToken),
            Self::IdRefs => Some(Self::IdRef),
            Self::Entities => Some(Self::Entity),
            _ => None,
        }
    }

    /// The type whose variant of [`Item`] holds the values: the primitive type, `xs:integer`, or a duration type.
    pub fn base(self) -> Self {
        let mut base = self;
        // the types before `DateTimeStamp` have variants of their own
        while base as usize >= Self::DateTimeStamp as usize {
            match base.parent() {
                Some(parent) if parent != Self::AnySimple => base = parent,
                _ => break,
            }
        }
        base
    }

    /// Whether it is a type or derived from it.
    pub fn is(self, other: Self) -> bool {
        let mut at = self;
        loop {
            if at == other {
                return true;
            }
            if other == Self::Numeric && matches!(at, Self::Decimal | Self::Double | Self::Float) {
                return true;
            }
            match at.parent() {
                Some(parent) => at = parent,
                None => return false,
            }
        }
    }

    /// `instance of`, subtypes included: every integer is a decimal.
    pub fn covers(self, item: &Item) -> bool {
        Self::of(item).is_some_and(|of| of.is(self))
    }

    /// The least and the greatest value of a type derived from `xs:integer`.
    pub fn range(self) -> (Option<Decimal>, Option<Decimal>) {
        let whole = |value: i64| Some(Decimal::from(value));
        match self {
            Self::NonPositiveInteger => (None, whole(0)),
            Self::NegativeInteger => (None, whole(-1)),
            Self::Long => (whole(i64::MIN), whole(i64::MAX)),
            Self::Int => (whole(i32::MIN.into()), whole(i32::MAX.into())),
            Self::Short => (whole(i16::MIN.into()), whole(i16::MAX.into())),
            Self::Byte => (whole(i8::MIN.into()), whole(i8::MAX.into())),
            Self::NonNegativeInteger => (whole(0), None),
            Self::UnsignedLong => (whole(0), Decimal::parse("18446744073709551615").ok()),
            Self::UnsignedInt => (whole(0), whole(u32::MAX.into())),
            Self::UnsignedShort => (whole(0), whole(u16::MAX.into())),
            Self::UnsignedByte => (whole(0), whole(u8::MAX.into())),
            Self::PositiveInteger => (whole(1), None),
            _ => (None, None),
        }
    }

    /// Whether a text, its white space processed, has the form of a type derived from `xs:string` (XSD 1.1 part 2 §3.4).
    pub fn allows(self, text: &str) -> bool {
        match self {
            Self::Language => text.split('-').enumerate().all(|(at, part)| {
                let fits = |c: char| c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
                (1..=8).contains(&part.len()) && part.chars().all(fits)
            }),
            Self::NmToken => !text.is_empty() && text.chars().all(|c| c == ':' || is_name_char(c)),
            Self::Name => {
                text.starts_with(|c| c == ':' || is_name_start(c)) && text.chars().all(|c| c == ':' || is_name_char(c))
            }
            Self::NcName | Self::Id | Self::IdRef | Self::Entity => is_ncname(text),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AtomicType;

    #[test]
    fn types_derive_from_each_other() {
        use AtomicType as T;
        for (one, other, is) in [
            (T::Byte, T::Integer, true),
            (T::Byte, T::Decimal, true),
            (T::Byte, T::Numeric, true),
            (T::Float, T::Numeric, true),
            (T::UnsignedByte, T::NonNegativeInteger, true),
            (T::UnsignedByte, T::Long, false),
            (T::Id, T::Token, true),
            (T::Token, T::NmToken, false),
            (T::Untyped, T::String, false),
            (T::YearMonth, T::Duration, true),
            (T::NmTokens, T::AnyAtomic, false),
            (T::NmTokens, T::AnySimple, true),
        ] {
            assert_eq!(one.is(other), is, "{one:?} {other:?}");
        }
        assert_eq!(T::Id.base(), T::String);
        assert_eq!(T::Byte.base(), T::Integer);
        assert_eq!(T::DayTime.base(), T::DayTime);
        assert_eq!(T::DateTimeStamp.base(), T::DateTime);
    }
}
