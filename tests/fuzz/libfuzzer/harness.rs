//! One harness for all targets: `FUZZ_TARGET` names which. `run` builds and starts it.

#![no_main]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    TARGETS.iter().find(|target| target.name == name).expect("FUZZ_TARGET is a target")
});

fuzz_target!(|input: &[u8]| (TARGET.check)(input));
