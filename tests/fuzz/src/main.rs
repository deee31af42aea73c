//! Runs the targets on random inputs.
//!
//! `fuzz [TARGET…] [--runs N] [--seed S]`: N executions in total (by default a million), divided among the targets (by default
//! all) by their cost, in two threads. `fuzz TARGET FILE…` runs a target on files; `fuzz TARGET --seeds DIRECTORY` writes the
//! inputs that others are made from. Prints the executions and the speed of each target. An input on which a claim does not
//! hold is saved as `target/fuzz/TARGET-HASH`, and the exit status is 1.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use fuzz::mutate::Mutator;
use fuzz::{TARGETS, Target};

/// How many threads run at once.
const THREADS: u64 = 2;

fn main() -> ExitCode {
    let (mut names, mut files, mut runs, mut seed) = (Vec::new(), Vec::new(), 1_000_000, 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let known = TARGETS.iter().find(|target| target.name == arg);
        match (&*arg, known) {
            ("--runs" | "--seed", _) => match args.next().and_then(|value| value.parse().ok()) {
                Some(value) if arg == "--runs" => runs = value,
                Some(value) => seed = value,
                None => return usage(),
            },
            ("--seeds", _) => match (args.next(), &names[..]) {
                (Some(dir), [target]) => return write_seeds(target, Path::new(&dir)),
                _ => return usage(),
            },
            (_, Some(target)) => names.push(*target),
            _ if names.len() == 1 && Path::new(&arg).is_file() => files.push(arg),
            _ => return usage(),
        }
    }
    if let ([target], false) = (&names[..], files.is_empty()) {
        for file in files {
            (target.check)(&std::fs::read(file).expect("it can be read"));
        }
        return ExitCode::SUCCESS;
    }
    let targets = if names.is_empty() { TARGETS.to_vec() } else { names };
    run_all(&targets, runs, seed)
}

fn write_seeds(target: &Target, dir: &Path) -> ExitCode {
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(dir.join(number.to_string()), seed).expect("the directory can be written");
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    println!(
        "fuzz [TARGET…] [--runs N] [--seed S] | fuzz TARGET FILE… | fuzz TARGET --seeds DIRECTORY\nTARGET: {}",
        names.join(" ")
    );
    ExitCode::from(2)
}

fn run_all(targets: &[Target], runs: u64, seed: u64) -> ExitCode {
    let shares: u64 = targets.iter().map(|target| target.share).sum();
    let begin = Instant::now();
    let (mut done, mut crashes) = (0, 0);
    for target in targets {
        // Rounded up, so that the total is no smaller than requested.
        let each = (runs * target.share).div_ceil(shares * THREADS);
        let begin = Instant::now();
        let found = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || run(target, each, seed * THREADS + thread)))
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("it ends")).count()
        });
        let seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "it is for a person")]
        let speed = (each * THREADS) as f64 / seconds;
        println!("{:12} {:>12} executions {speed:>10.0}/s", target.name, each * THREADS);
        done += each * THREADS;
        crashes += found;
    }
    let memory = peak();
    println!(
        "fuzz: {done} executions of {} targets (seed {seed}), {crashes} crashes, {:.0?}, at most {memory} MiB",
        targets.len(),
        begin.elapsed()
    );
    // No input of these sizes may cost a gigabyte.
    ExitCode::from(u8::from(crashes > 0 || memory > 1024))
}

/// Runs a target that often. `Some` if it failed; the input has been saved.
fn run(target: &Target, runs: u64, seed: u64) -> Option<()> {
    let mut mutator = Mutator::new(seed, (target.seeds)(), target.tail);
    let result = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..runs {
            (target.check)(mutator.next_input());
        }
    }));
    result.is_err().then(|| save(target.name, mutator.input()))
}

fn save(name: &str, input: &[u8]) {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let dir = Path::new("target/fuzz");
    let path = dir.join(format!("{name}-{:016x}", hasher.finish()));
    std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, input)).expect("it is saved");
    println!("{name}: saved {}: {}", path.display(), input.escape_ascii());
}

/// The peak memory of the process, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0);
    kib / 1024
}
