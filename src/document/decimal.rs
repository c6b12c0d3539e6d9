//! Exact decimals: a result is exact or an error, never quietly rounded.

use std::{cmp::Ordering, fmt, str::FromStr};

use rust_decimal::{Decimal as Inner, RoundingStrategy, prelude::ToPrimitive as _};

/// Why a decimal could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number (`xs:decimal` lexical form: sign, digits, at most one point, no exponent).
    #[error("not a decimal number")]
    Syntax,
    /// More than 28 significant digits would be needed to be exact.
    #[error("needs more than 28 digits to be exact")]
    Overflow,
    /// Division by zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// An `xs:decimal` (XSD 1.0 part 2 §3.2.3) of up to 28 digits.
///
/// Sums, differences and products are exact or [`DecimalError::Overflow`]; only division rounds, see [`Self::divide`].
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(Inner);

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(Inner::ZERO);
    /// One.
    pub const ONE: Self = Self(Inner::ONE);

    /// Reads the `xs:decimal` lexical form, surrounding white space allowed.
    ///
    /// # Errors
    /// [`DecimalError::Syntax`] for anything else, [`DecimalError::Overflow`] beyond 28 digits.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let mut points = 0;
        let mut seen = false;
        for byte in digits.bytes() {
            match byte {
                b'0'..=b'9' => seen = true,
                b'.' if points == 0 => points = 1,
                _ => return Err(DecimalError::Syntax),
            }
        }
        if !seen {
            return Err(DecimalError::Syntax);
        }
        let text = text.strip_prefix('+').unwrap_or(text);
        if points == 0 {
            return Inner::from_str_exact(text).map(Self).map_err(|_| DecimalError::Overflow);
        }
        let trimmed = text.trim_end_matches('0').trim_end_matches('.');
        if matches!(trimmed, "" | "-") {
            return Ok(Self::ZERO);
        }
        Inner::from_str_exact(trimmed).map(Self).map_err(|_| DecimalError::Overflow)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`DecimalError::Overflow`] when it would not be exact.
    #[expect(clippy::should_implement_trait, reason = "an operator could not answer with an error")]
    pub fn add(self, other: Self) -> Result<Self, DecimalError> {
        let (a, b) = (self.0.normalize(), other.0.normalize());
        let sum = a.checked_add(b).ok_or(DecimalError::Overflow)?;
        if sum.scale() < a.scale().max(b.scale()) && !sum.is_zero() {
            return Err(DecimalError::Overflow);
        }
        Ok(Self(sum.normalize()))
    }

    /// The difference.
    ///
    /// # Errors
    /// [`DecimalError::Overflow`] when it would not be exact.
    pub fn subtract(self, other: Self) -> Result<Self, DecimalError> {
        self.add(other.negate())
    }

    /// The product.
    ///
    /// # Errors
    /// [`DecimalError::Overflow`] when it would not be exact.
    pub fn multiply(self, other: Self) -> Result<Self, DecimalError> {
        let (a, b) = (self.0.normalize(), other.0.normalize());
        if a.is_zero() || b.is_zero() {
            return Ok(Self::ZERO);
        }
        let product = a.checked_mul(b).ok_or(DecimalError::Overflow)?;
        if product.scale() < a.scale() + b.scale() {
            return Err(DecimalError::Overflow);
        }
        Ok(Self(product.normalize()))
    }

    /// The quotient; one that does not end within 28 digits is rounded half to even to 18 digits after the point, the
    /// precision XPath asks for at least (F&O 3.1 §4.2), which leaves room to calculate on.
    ///
    /// # Errors
    /// [`DecimalError::DivisionByZero`], [`DecimalError::Overflow`].
    pub fn divide(self, other: Self) -> Result<Self, DecimalError> {
        if other.0.is_zero() {
            return Err(DecimalError::DivisionByZero);
        }
        let quotient = Self(self.0.checked_div(other.0).ok_or(DecimalError::Overflow)?.normalize());
        let ends = quotient.multiply(other) == Ok(self);
        Ok(if ends { quotient } else { quotient.round_half_to_even(18) })
    }

    /// The remainder of truncating division; the sign follows the dividend.
    ///
    /// # Errors
    /// [`DecimalError::DivisionByZero`], [`DecimalError::Overflow`].
    pub fn remainder(self, other: Self) -> Result<Self, DecimalError> {
        if other.0.is_zero() {
            return Err(DecimalError::DivisionByZero);
        }
        self.0.checked_rem(other.0).map(|rest| Self(rest.normalize())).ok_or(DecimalError::Overflow)
    }

    /// The negative.
    #[must_use]
    pub fn negate(self) -> Self {
        Self(-self.0)
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// The largest integer not above.
    #[must_use]
    pub fn floor(self) -> Self {
        Self(self.0.floor())
    }

    /// The smallest integer not below.
    #[must_use]
    pub fn ceiling(self) -> Self {
        Self(self.0.ceil())
    }

    /// The integer part.
    #[must_use]
    pub fn truncate(self) -> Self {
        Self(self.0.trunc())
    }

    /// `fn:round` (F&O 3.1 §4.4.4): to `places` digits after the point (negative: before it), half towards positive
    /// infinity.
    #[must_use]
    pub fn round(self, places: i32) -> Self {
        self.rounded(places, |value, digits| {
            let strategy = if value.is_sign_negative() {
                RoundingStrategy::MidpointTowardZero
            } else {
                RoundingStrategy::MidpointAwayFromZero
            };
            value.round_dp_with_strategy(digits, strategy)
        })
    }

    /// `fn:round-half-to-even` (F&O 3.1 §4.4.5).
    #[must_use]
    pub fn round_half_to_even(self, places: i32) -> Self {
        self.rounded(places, |value, digits| {
            value.round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven)
        })
    }

    fn rounded(self, places: i32, round: impl Fn(Inner, u32) -> Inner) -> Self {
        if let Ok(digits) = u32::try_from(places) {
            return if digits >= 28 { self } else { Self(round(self.0, digits).normalize()) };
        }
        let Some(unit) = 10_i128.checked_pow(places.unsigned_abs()) else { return Self::ZERO };
        let Ok(unit) = Inner::try_from_i128_with_scale(unit, 0) else { return Self::ZERO };
        match self.0.checked_div(unit) {
            Some(moved) => {
                let whole = round(moved, 0);
                whole.checked_mul(unit).map_or(self, |value| Self(value.normalize()))
            }
            None => self,
        }
    }

    /// Whether there is nothing after the point.
    #[must_use]
    pub fn is_integer(self) -> bool {
        self.0.normalize().scale() == 0
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// As a 64-bit integer, when it is one.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        self.is_integer().then(|| self.0.to_i64()).flatten()
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The nearest float.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        self.to_string().parse().unwrap_or(f32::NAN)
    }

    /// The decimal nearest to a double, as its shortest decimal form says; `None` for infinities, NaN and what is too
    /// large.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let shown = format!("{value}");
        Self::parse(&shown).ok().or_else(|| Inner::from_str(&shown).ok().map(Self))
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self(Inner::from(value))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text)
    }
}

/// The canonical form of XPath's cast to string (F&O 3.1 §19.1.2.2): no exponent, no trailing zeros, no point for whole
/// numbers.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let normal = self.0.normalize();
        if normal.is_zero() { f.write_str("0") } else { fmt::Display::fmt(&normal, f) }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq<i64> for Decimal {
    fn eq(&self, other: &i64) -> bool {
        *self == Self::from(*other)
    }
}

impl PartialOrd<i64> for Decimal {
    fn partial_cmp(&self, other: &i64) -> Option<Ordering> {
        self.partial_cmp(&Self::from(*other))
    }
}

#[cfg(test)]
mod tests {
    use super::{Decimal, DecimalError};

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).expect("a decimal")
    }

    #[test]
    fn results_are_exact_or_errors() {
        assert_eq!(d("0.1").add(d("0.2")), Ok(d("0.3")));
        assert_eq!(d("19.99").multiply(d("3")), Ok(d("59.97")));
        assert_eq!(d("0.00000000000001").multiply(d("0.000000000000001")), Err(DecimalError::Overflow));
        assert_eq!(d("9999999999999999999999999999").multiply(d("10")), Err(DecimalError::Overflow));
        assert_eq!(d("9999999999999999999999999999").add(d("0.1")), Err(DecimalError::Overflow));
        assert_eq!(d("1").divide(d("0")), Err(DecimalError::DivisionByZero));
        assert_eq!(d("-7").remainder(d("3")), Ok(d("-1")));
        assert_eq!(d("1").divide(d("8")), Ok(d("0.125")));
        assert_eq!(d("2").divide(d("3")), Ok(d("0.666666666666666667")));
        assert_eq!(d("2").divide(d("3")).and_then(|third| third.multiply(d("100"))), Ok(d("66.6666666666666667")));
    }

    #[test]
    fn only_the_decimal_form_is_read() {
        for bad in ["", ".", "+", "1e3", "1,000", "0x1", "1.2.3", "NaN", "１", "_1"] {
            assert_eq!(Decimal::parse(bad), Err(DecimalError::Syntax), "{bad}");
        }
        for (text, shown) in [("1.10", "1.1"), ("-0.0", "0"), (" +5. ", "5"), (".5", "0.5"), ("100", "100")] {
            assert_eq!(d(text).to_string(), shown);
        }
        assert_eq!(Decimal::parse("12345678901234567890123456789012"), Err(DecimalError::Overflow));
    }

    #[test]
    fn rounding_follows_xpath() {
        for (text, places, round, even) in [
            ("2.5", 0, "3", "2"),
            ("-2.5", 0, "-2", "-2"),
            ("1.125", 2, "1.13", "1.12"),
            ("-1.125", 2, "-1.12", "-1.12"),
            ("35612.25", -2, "35600", "35600"),
            ("0.5", 0, "1", "0"),
        ] {
            assert_eq!(d(text).round(places), d(round), "round({text}, {places})");
            assert_eq!(d(text).round_half_to_even(places), d(even), "half even({text}, {places})");
        }
    }
}
