//! Claims about files: a log that is rotated while it is opened and read, and the state file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spamact::account::AccountName;
use spamact::state::State;
use spamcore::source::access::Access;
use spamcore::source::lines::{split, trimmed};
use spamcore::source::{Directories, Log};
use testkit::Directory;

use crate::choices::Choices;
use crate::packing::Packing;
use crate::parsing::NOW;

fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).expect("it is ours").flatten() {
        fs::remove_file(entry.path()).expect("it is ours");
    }
}

thread_local! {
    static DIRECTORY: Directory = Directory::in_memory();
}

/// A file of the log, with its expected content.
#[derive(Clone, Debug, Default)]
struct Kept {
    suffix: String,
    lines: Vec<i64>,
    packing: Option<Packing>,
    damaged: bool,
}

/// A log with its rotated logs, newest first. Each line starts with a number, one more than that of the line before.
struct World<'a> {
    dir: &'a Path,
    live: Kept,
    /// The last line of the log has no newline yet.
    unfinished: bool,
    rotated: Vec<Kept>,
    next: i64,
    dated: bool,
    rotations: u32,
    padding: usize,
}

impl World<'_> {
    fn path(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("log{suffix}"))
    }

    fn append(&mut self, count: usize, finish: bool) {
        let mut text = String::new();
        if self.unfinished {
            text.push_str(" the rest\n");
        }
        for number in 0..count {
            text.push_str(&format!("{:07} {}", self.next, "x".repeat(self.padding)));
            if finish || number + 1 < count {
                text.push('\n');
            }
            self.live.lines.push(self.next);
            self.next += 1;
        }
        self.unfinished = !finish && count > 0;
        let file = OpenOptions::new().append(true).create(true).open(self.path(""));
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("it is ours");
    }

    fn rotate(&mut self, copy: bool) {
        self.rotations += 1;
        let suffix = if self.dated {
            format!("-2026{:04}", 1000 + self.rotations)
        } else {
            for rotated in (0..self.rotated.len()).rev() {
                let packed = self.rotated[rotated].packing.map_or("", Packing::suffix);
                let to = format!(".{}{packed}", rotated + 2);
                let from = self.path(&self.rotated[rotated].suffix);
                fs::rename(from, self.path(&to)).expect("it is ours");
                self.rotated[rotated].suffix = to;
            }
            ".1".to_owned()
        };
        if copy {
            fs::copy(self.path(""), self.path(&suffix)).expect("it is ours");
            File::create(self.path("")).expect("it is ours");
        } else {
            fs::rename(self.path(""), self.path(&suffix)).expect("it is ours");
            File::create(self.path("")).expect("it is ours");
        }
        let lines = std::mem::take(&mut self.live.lines);
        self.rotated.insert(0, Kept { suffix, lines, ..Kept::default() });
        self.unfinished = false;
    }

    fn pack(&mut self, packing: Packing, youngest: bool) {
        let from = usize::from(!youngest);
        let plain = self.rotated.iter().skip(from).position(|rotated| rotated.packing.is_none());
        let Some(rotated) = plain.map(|at| at + from) else { return };
        let path = self.path(&self.rotated[rotated].suffix);
        let text = fs::read(&path).expect("it is ours");
        let suffix = format!("{}{}", self.rotated[rotated].suffix, packing.suffix());
        fs::write(self.path(&suffix), packing.pack(&text)).expect("it is ours");
        fs::remove_file(path).expect("it is ours");
        let rotated = &mut self.rotated[rotated];
        (rotated.suffix, rotated.packing) = (suffix, Some(packing));
    }

    /// Truncates a compressed log, after the magic number.
    fn cut(&mut self, choices: &mut Choices<'_>) {
        let packed = self.rotated.iter().position(|rotated| rotated.packing.is_some());
        let Some(rotated) = packed else { return };
        let path = self.path(&self.rotated[rotated].suffix);
        let text = fs::read(&path).expect("it is ours");
        if text.len() > 6 {
            let length = 6 + choices.below(1 << 12) % (text.len() - 6);
            fs::write(path, &text[..length]).expect("it is ours");
            self.rotated[rotated].damaged = true;
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(12) {
            0..=4 => {
                let count = choices.below(20);
                self.append(count, true);
            }
            5 => self.append(1, false),
            6 | 7 => self.rotate(false),
            8 => self.rotate(true),
            9 | 10 => {
                let packing = Packing::ALL[choices.below(3)];
                self.pack(packing, choices.below(2) == 0);
            }
            _ => self.cut(choices),
        }
    }
}

/// The number at the start of a line.
fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line.get(..7)?).ok()?.parse().ok()
}

/// Whatever happens to a log before, while and after it is opened: every line of the period that was in it then is read once,
/// in order, or a problem is reported.
pub(crate) fn log(input: &[u8]) {
    DIRECTORY.with(|dir| {
        clear(dir.dir());
        let mut choices = Choices::new(input);
        let mut world = World {
            dir: dir.dir(),
            live: Kept::default(),
            unfinished: false,
            rotated: Vec::new(),
            next: 1000,
            dated: choices.below(2) == 0,
            rotations: 0,
            padding: [0, 0, 30, 200, 1000, 1000, 9000, 9000][choices.below(8)],
        };
        world.append(0, true);
        fs::write(world.path(".old"), "0001001 no rotated log\n").expect("it is ours");
        let before = choices.below(14);
        for _ in 0..before {
            world.step(&mut choices);
        }
        // A log that was written just now may end in a line that is still being written.
        let live = choices.below(2) == 0;
        let wall = SystemTime::now() + Duration::from_secs(if live { 30 } else { 7200 });
        let start = 999 + i64::try_from(choices.below(400)).unwrap_or(0);
        let uid = fs::metadata(world.dir).expect("it is there").uid();
        let access = Access { uid, plain_only: true };
        let directories = Directories::new(wall);
        let opened = Log::open(&world.path(""), start, &directories, access, &mut |line| {
            number(trimmed(line)?)
        });
        let mut log = opened.expect("it is there");
        let mut told = !log.problems.is_empty();

        let mut kept = world.rotated.clone();
        let mut last = world.live.clone();
        if live && world.unfinished {
            last.lines.pop();
        }
        kept.insert(0, last);
        let truncated = change(&mut world, &mut choices);

        let mut got = Vec::new();
        for file in &mut log.files {
            for mut part in file.parts() {
                loop {
                    match part.lines.next_block() {
                        Ok(Some(run)) => {
                            got.extend(split(run).filter_map(trimmed).filter_map(number));
                        }
                        Ok(None) => break,
                        Err(_) => {
                            told = true;
                            break;
                        }
                    }
                }
                told |= part.lines.input().shrunk().is_some();
            }
            told |= file.was_rewritten();
        }
        if !truncated {
            assert!(got.is_sorted_by(|a, b| a < b), "twice, or out of order: {got:?}");
        }
        for file in &kept {
            let lost = file.lines.iter().filter(|n| **n > start && !got.contains(n)).count();
            let may = file.damaged || (truncated && file.suffix.is_empty());
            assert!(lost == 0 || (may && told), "{lost} lines of log{} lost", file.suffix);
        }
        assert!(!got.iter().any(|n| *n >= world.next), "a line that nobody wrote");
    });
}

/// Continues with an open log; returns whether it was truncated in place.
fn change(world: &mut World<'_>, choices: &mut Choices<'_>) -> bool {
    let mut truncated = false;
    for _ in 0..choices.below(5) {
        match choices.below(8) {
            0..=2 => world.append(3, true),
            3 | 4 => world.rotate(false),
            5 => world.pack(Packing::Gzip, true),
            // In place of the open log, until the first rotation moves that away.
            _ if world.rotations == 0 || world.live.suffix.is_empty() => {
                let count = choices.below(30);
                File::create(world.path("")).expect("it is ours");
                world.unfinished = false;
                world.append(count, true);
                truncated = true;
            }
            _ => {}
        }
    }
    truncated
}

/// Any bytes are a valid state, or are set aside; a saved state is loaded unchanged.
pub(crate) fn state(input: &[u8]) {
    DIRECTORY.with(|dir| {
        clear(dir.dir());
        let path = dir.path("state.json");
        fs::write(&path, input).expect("it is ours");
        let (mut state, told) = State::load(dir.dir(), false, NOW).expect("it goes on");
        for (name, record) in state.accounts() {
            assert!(AccountName::check(name.as_bytes()).is_ok(), "{name}");
            assert!(record.seen_locked().is_none_or(|at| at <= NOW), "a time that is to come");
        }
        if told.is_some() {
            assert_eq!(state.accounts().count(), 0);
        }
        assert_eq!(fs::read(&path).expect("it is ours"), input, "loading changes nothing");
        state.see_locked(&AccountName::check(b"bob").expect("a name"), NOW);
        state.save(dir.dir(), false).expect("it is ours");
        let (loaded, again) = State::load(dir.dir(), false, NOW).expect("it is whole");
        assert_eq!((&loaded, again), (&state, None));
        if told.is_some() {
            let aside = dir.path(&format!("state.json.damaged-{NOW}"));
            assert_eq!(fs::read(aside).expect("it was put aside"), input);
        }
    });
}
