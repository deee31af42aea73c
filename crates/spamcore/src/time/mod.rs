//! When a line was written, and whether that is inside the period.
//!
//! Takes the first bytes of a line and gives an instant in Unix seconds. Nothing here looks at the system
//! clock: now and the local zone are arguments.

pub mod clock;
mod legacy;
pub mod period;
pub mod shift;
pub mod stamp;
pub mod window;
pub mod zone;
