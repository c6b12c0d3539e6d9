//! What a sink's answer means for the delivery: done, again, never, or unknown.

use std::time::Duration;

use super::Answer;

/// The longest a partner's `Retry-After` is obeyed.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is to become of a delivery after one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it, as far as the transport can tell; a profile may still read a refusal in the reply.
    Delivered,
    /// Not delivered; worth another try.
    Retry {
        /// The receiver's own wish when to come back, at most [`LONGEST_WAIT`].
        after: Option<Duration>,
        /// What happened.
        why: String,
    },
    /// Not delivered, and the same bytes never will be; a person must look.
    Reject {
        /// What happened.
        why: String,
    },
    /// Not delivered: the address is gone for good. A person must say where to, for all that goes there.
    Gone {
        /// What happened.
        why: String,
    },
    /// It may have arrived; sent again with the same delivery id.
    Unknown {
        /// What happened.
        why: String,
    },
}

/// A partner's wish when to come back, as far as it is obeyed.
#[must_use]
pub fn wish(retry_after: Option<Duration>) -> Option<Duration> {
    retry_after.map(|wish| wish.min(LONGEST_WAIT))
}

/// The delivery contract's table: 2xx delivered; 408, 425, 429 and 5xx again; 410 gone; redirects are never followed and
/// every other status is final.
#[must_use]
pub fn of_answer(answer: &Answer) -> Outcome {
    match answer {
        Answer::Confirmed | Answer::Response { status: None, .. } => Outcome::Delivered,
        Answer::Response { status: Some(status), retry_after, .. } => of_status(*status, *retry_after),
        Answer::NotSent { why } => Outcome::Retry { after: None, why: why.clone() },
        Answer::Unknown { why } => Outcome::Unknown { why: why.clone() },
        Answer::Unroutable { why } | Answer::Refused { why } => Outcome::Reject { why: why.clone() },
    }
}

fn of_status(status: u16, retry_after: Option<Duration>) -> Outcome {
    let why = |text: &str| format!("the partner answered {status}{text}");
    match status {
        200..=299 => Outcome::Delivered,
        408 | 425 | 429 | 500..=599 => Outcome::Retry { after: wish(retry_after), why: why("") },
        300..=399 => Outcome::Reject { why: why(", a redirect; redirects are not followed: set the final address") },
        410 => Outcome::Gone { why: why(": the address is gone for good") },
        _ => Outcome::Reject { why: why("") },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{LONGEST_WAIT, Outcome, of_answer};
    use crate::transport::Answer;

    fn response(status: Option<u16>, retry_after: Option<Duration>) -> Outcome {
        of_answer(&Answer::Response { status, content_type: None, body: Bytes::new(), retry_after })
    }

    #[test]
    fn every_status_has_the_outcome_of_the_contract() {
        for (statuses, expected) in [
            (vec![200, 201, 202, 204, 299], "delivered"),
            (vec![408, 425, 429, 500, 502, 503, 504, 599], "retry"),
            (vec![300, 301, 302, 304, 307, 308], "reject"),
            (vec![400, 401, 403, 404, 405, 409, 413, 415, 422], "reject"),
            (vec![410], "gone"),
            (vec![100, 101, 600, 999, 0], "reject"),
        ] {
            for status in statuses {
                let found = match response(Some(status), None) {
                    Outcome::Delivered => "delivered",
                    Outcome::Retry { .. } => "retry",
                    Outcome::Reject { .. } => "reject",
                    Outcome::Gone { .. } => "gone",
                    Outcome::Unknown { .. } => "unknown",
                };
                assert_eq!(found, expected, "status {status}");
            }
        }
    }

    #[test]
    fn a_partners_wish_to_wait_is_obeyed_up_to_a_day() {
        let wait = |wish| match response(Some(503), Some(wish)) {
            Outcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(Duration::from_secs(7)), Some(Duration::from_secs(7)));
        assert_eq!(wait(Duration::from_secs(90 * 24 * 3600)), Some(LONGEST_WAIT));
    }

    #[test]
    fn what_surely_did_not_arrive_is_tried_again_and_what_may_have_is_unknown() {
        let why = || "cut".to_owned();
        assert_eq!(of_answer(&Answer::Confirmed), Outcome::Delivered);
        assert_eq!(of_answer(&Answer::NotSent { why: why() }), Outcome::Retry { after: None, why: why() });
        assert_eq!(of_answer(&Answer::Unknown { why: why() }), Outcome::Unknown { why: why() });
        assert_eq!(of_answer(&Answer::Unroutable { why: why() }), Outcome::Reject { why: why() });
        assert_eq!(of_answer(&Answer::Refused { why: why() }), Outcome::Reject { why: why() });
    }
}
