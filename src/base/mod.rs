//! The words every other module speaks: codes, problems, ids, clocks, limits, secrets.
//!
//! It stands apart so that nothing below it exists: whatever two floors must agree on, and that needs no library of its
//! own, lives here. It never does I/O, never logs, and reads neither the clock nor randomness except through the traits
//! it defines ([`Clock`], [`Random`]). A new error code is added beside the code that raises it, as a [`Code`] constant
//! listed in that module's `CODES`, together with its page in `docs/reference/errors/`.

mod clock;
mod code;
mod digest;
mod id;
mod limit;
mod problem;
mod secret;
mod suggest;
mod unit;
mod watermark;

pub use clock::{Clock, Random, Timestamp};
pub use code::{Code, Language};
pub use digest::{Sha256, Sha256Builder};
pub use id::{IdKind, Ids, name_based_uuid};
pub use limit::Limits;
pub use problem::{Place, Problem, Problems, Severity};
pub use secret::Secret;
pub use suggest::suggest;
pub use unit::{parse_duration, parse_size};
pub use watermark::Watermark;
