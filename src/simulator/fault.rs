//! Faults on request: what a partner does wrong, and when.

use std::{collections::VecDeque, str::FromStr, time::Duration};

use crate::base::parse_duration;

/// One way to misbehave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answer with a reply of the profile's simulator file, whatever the document says. Nothing is written.
    Reply(String),
    /// Write the document, and never answer.
    Silence,
    /// Write the document, and cut the connection.
    Cut,
    /// Answer properly, but late.
    Slow(Duration),
    /// Write nothing, and answer with an HTTP status.
    Status(u16),
}

/// A fault was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no fault: use a reply's name, `silence`, `cut`, `slow=2s` or `status=503`, with `:N` for every Nth request"
)]
pub struct FaultError(String);

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = || FaultError(text.to_owned());
        Ok(match text.split_once('=') {
            Some(("slow", delay)) => Self::Slow(parse_duration(delay).ok_or_else(bad)?),
            Some(("status", status)) => {
                Self::Status(status.parse().ok().filter(|status| (400..600).contains(status)).ok_or_else(bad)?)
            }
            Some(_) => return Err(bad()),
            None if text == "silence" => Self::Silence,
            None if text == "cut" => Self::Cut,
            None if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                Self::Reply(text.to_owned())
            }
            None => return Err(bad()),
        })
    }
}

/// When which fault happens.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    every: Vec<(u64, Fault)>,
    next: VecDeque<Fault>,
}

impl Faults {
    /// Reads `hollow:5` (every fifth request) or `hollow` (every request).
    ///
    /// # Errors
    /// When the text is no fault.
    pub fn add(&mut self, text: &str) -> Result<(), FaultError> {
        let (fault, every) = match text.rsplit_once(':') {
            Some((fault, every)) => {
                (fault, every.parse().ok().filter(|every| *every > 0).ok_or_else(|| FaultError(text.to_owned()))?)
            }
            None => (text, 1),
        };
        self.every.push((every, fault.parse()?));
        Ok(())
    }

    /// Puts a fault in line for the next request.
    pub fn then(&mut self, fault: Fault) {
        self.next.push_back(fault);
    }

    /// The fault for the `number`th request, from 1.
    pub(super) fn take(&mut self, number: u64) -> Option<Fault> {
        self.next.pop_front().or_else(|| {
            self.every.iter().find(|(every, _)| number.is_multiple_of(*every)).map(|(_, fault)| fault.clone())
        })
    }

    /// The replies named, to be checked against those there are.
    pub fn replies(&self) -> impl Iterator<Item = &str> {
        self.every.iter().map(|(_, fault)| fault).chain(&self.next).filter_map(|fault| match fault {
            Fault::Reply(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_come_in_turn() {
        let mut faults = Faults::default();
        faults.add("hollow:3").expect("a fault");
        faults.then(Fault::Silence);
        let taken: Vec<_> = (1..=4).map(|number| faults.take(number)).collect();
        assert_eq!(taken, [Some(Fault::Silence), None, Some(Fault::Reply("hollow".into())), None]);
        assert_eq!("slow=250ms".parse(), Ok(Fault::Slow(Duration::from_millis(250))));
        assert_eq!("status=503".parse(), Ok(Fault::Status(503)));
        for bad in ["", "status=200", "slow=soon", "x=1", "a b"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
        assert!(faults.add("hollow:0").is_err());
    }
}
