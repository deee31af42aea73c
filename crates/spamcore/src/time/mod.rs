//! When a line was written, and whether that is inside the period.

pub mod clock;
pub mod stamp;
pub mod window;
pub mod zone;
