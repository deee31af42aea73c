//! Inputs on which a claim once did not hold, and a short run of every target.

use fuzz::TARGETS;
use fuzz::mutate::Mutator;

#[test]
fn what_was_found_is_mended() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/found");
    for entry in std::fs::read_dir(dir).expect("it is there").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        let (target, _) = name.rsplit_once('-').unwrap_or((&name, ""));
        let target = TARGETS.iter().find(|known| known.name == target);
        (target.expect(&name).check)(&std::fs::read(entry.path()).expect("it can be read"));
    }
}

#[test]
fn every_claim_holds_of_some_inputs() {
    for target in TARGETS {
        let mut mutator = Mutator::new(0, (target.seeds)(), target.tail);
        for _ in 0..target.share.min(200) {
            (target.check)(mutator.next_input());
        }
    }
}
