//! Directories in which many scripts send a few messages each.
//!
//! Whoever sends each message by a script of another path never has a script that reaches the limit. So the
//! scripts with at most [`FEW`] messages that do not reach it themselves are also added up: those of one
//! directory, and those below a common directory. Takes such scripts, and gives the directories that reach the
//! limit with at least [`MANY`] of them. Names that are not absolute paths (a script can register a stream
//! wrapper, and then has any name it likes) are added up too, all together.
//!
//! A directory counts with those below it from its second level on (`/home/a`), because all sites together may
//! well send that many; and so does `/tmp`, in which everybody can make directories. Deeper than `DEEPEST`
//! levels, and in paths longer than the system allows, only the first directories count.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::stats::SenderStats;

/// The most messages of a script that is added up.
pub const FEW: u64 = 3;

/// The fewest scripts that are added up.
pub const MANY: u64 = 20;

/// How many levels deep directories are counted with those below them. Each level costs time where there are
/// too many names to be kept; four are enough for a directory of a site (`/var/www/vhosts/example.org`).
const DEEPEST: usize = 4;

/// The longest path that Linux takes (`PATH_MAX`).
const LONGEST: usize = 4096;

/// A directory of one level in which everybody can make others.
const PUBLIC: &[u8] = b"/tmp";

/// How many shares a script is counted as, so that each of its messages stands for a whole number of them,
/// whether it has one, two or three.
const SHARES: u64 = 6;

/// A directory in which scripts reach the limit only together.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The number of the log; 0 if there is only one.
    pub log: u32,
    /// Its path, with a slash at the end.
    pub name: Box<[u8]>,
    /// How many scripts.
    pub scripts: u64,
    /// Their messages. The line is the first one of the script that sent first.
    pub stats: SenderStats,
}

/// Scripts that reach the limit only together, and not in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scattered {
    /// The number of the log; 0 if there is only one.
    pub log: u32,
    /// The directory below which they are, without a slash at the end; empty for names that are not absolute
    /// paths.
    pub below: Box<[u8]>,
    /// How many scripts.
    pub scripts: u64,
    /// Their messages.
    pub messages: u64,
}

/// What a script is counted for, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    messages: u64,
    shares: u64,
}

impl Share {
    /// A whole script with this many messages, if they are few.
    pub(super) fn of_script(messages: u64) -> Option<Self> {
        (1..=FEW).contains(&messages).then_some(Self { messages, shares: SHARES })
    }

    /// This many messages of a script that has `of` in all, if these are few.
    pub(super) fn of_messages(messages: u64, of: u64) -> Option<Self> {
        let shares = messages.saturating_mul(SHARES / of.max(1));
        (1..=FEW).contains(&of).then_some(Self { messages, shares })
    }
}

/// Messages and scripts of a directory and those below it.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    messages: u64,
    shares: u64,
}

impl Sum {
    fn add(&mut self, share: Share) {
        self.messages = self.messages.saturating_add(share.messages);
        self.shares = self.shares.saturating_add(share.shares);
    }

    fn remove(&mut self, other: Self) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.shares = self.shares.saturating_sub(other.shares);
    }

    fn scripts(&self) -> u64 {
        self.shares / SHARES
    }
}

/// The directory of a script, with its slash; none for a name that is not an absolute path.
pub(super) fn directory_of(script: &[u8]) -> Option<&[u8]> {
    let end = memchr::memrchr(b'/', script).filter(|_| script.starts_with(b"/"))?;
    (end < LONGEST).then_some(&script[..=end])
}

/// The directories that a script is counted below, without a slash at the end, so that they differ from
/// [`directory_of`]; the empty name for a name that is not an absolute path.
pub(super) fn above(script: &[u8]) -> impl Iterator<Item = &[u8]> {
    let absolute = script.starts_with(b"/");
    let start = &script[..if absolute { script.len().min(LONGEST) } else { 0 }];
    let relative = (!absolute).then_some(start);
    let levels = memchr::memchr_iter(b'/', start).enumerate().take(DEEPEST + 1);
    let counted = levels.filter_map(|(level, end)| {
        let directory = &start[..end];
        (level >= 2 || directory == PUBLIC).then_some(directory)
    });
    relative.into_iter().chain(counted)
}

/// Directories while scripts are added up.
#[derive(Debug, Default)]
pub(super) struct Directories {
    own: HashMap<Box<[u8]>, (SenderStats, Sum), RandomState>,
    below: HashMap<Box<[u8]>, Sum, RandomState>,
}

impl Directories {
    /// Whether nothing was added up.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.below.is_empty()
    }

    /// Adds messages of a script, with their statistics, to its own directory.
    pub(super) fn add(&mut self, directory: &[u8], share: Share, stats: SenderStats) {
        let Some((known, sum)) = self.own.get_mut(directory) else {
            let mut sum = Sum::default();
            sum.add(share);
            self.own.insert(directory.into(), (stats, sum));
            return;
        };
        sum.add(share);
        join(known, stats);
    }

    /// Adds messages of a script to a directory above it.
    pub(super) fn add_below(&mut self, directory: &[u8], share: Share) {
        if let Some(sum) = self.below.get_mut(directory) {
            sum.add(share);
        } else {
            let mut sum = Sum::default();
            sum.add(share);
            self.below.insert(directory.into(), sum);
        }
    }

    /// Adds what a later part of the log has.
    pub(super) fn join(&mut self, later: Self) {
        for (directory, (stats, Sum { messages, shares })) in later.own {
            self.add(&directory, Share { messages, shares }, stats);
        }
        for (directory, Sum { messages, shares }) in later.below {
            self.add_below(&directory, Share { messages, shares });
        }
    }

    /// The directories in which scripts reach a limit, and those below which the other scripts do, both in byte
    /// order. All scripts are of the log with this number.
    pub(super) fn finish(
        self,
        log: u32,
        reached: impl Fn(&[u8], u64) -> bool,
    ) -> (Vec<Directory>, Vec<Scattered>) {
        let Self { own, mut below } = self;
        let reaches = |name: &[u8], sum: Sum| sum.scripts() >= MANY && reached(name, sum.messages);
        let mut directories = Vec::new();
        for (name, (stats, sum)) in own {
            if reaches(&name, sum) {
                subtract(&mut below, &name, sum);
                directories.push(Directory { log, name, scripts: sum.scripts(), stats });
            }
        }
        directories.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        // The deepest first: what is reported there is not reported again further up.
        let candidates = below.iter().filter(|(name, sum)| reaches(name, **sum));
        let mut names: Vec<Box<[u8]>> = candidates.map(|(name, _)| name.clone()).collect();
        names.sort_unstable_by_key(|name| {
            std::cmp::Reverse(memchr::memchr_iter(b'/', name).count())
        });
        let mut scattered = Vec::new();
        for name in names {
            let sum = below[&name];
            if reaches(&name, sum) {
                subtract(&mut below, &name, sum);
                let (scripts, messages) = (sum.scripts(), sum.messages);
                scattered.push(Scattered { log, below: name, scripts, messages });
            }
        }
        scattered.sort_unstable_by(|one, other| one.below.cmp(&other.below));
        (directories, scattered)
    }
}

/// Takes what was reported of a directory from all above it.
fn subtract(below: &mut HashMap<Box<[u8]>, Sum, RandomState>, directory: &[u8], sum: Sum) {
    for directory in above(directory) {
        if let Some(all) = below.get_mut(directory) {
            all.remove(sum);
        }
    }
}

/// Adds the statistics of another script. The line is that of the one that sent first; scripts are not joined
/// in reading order, and lines without a timestamp are in byte order.
fn join(known: &mut SenderStats, mut other: SenderStats) {
    let first = |stats: &SenderStats| stats.span.map(|(first, _)| first);
    if (first(&other), &other.line) < (first(known), &known.line) {
        std::mem::swap(&mut known.line, &mut other.line);
    }
    known.join(other);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(script: &'a str) -> Vec<&'a str> {
        let text = |name: &'a [u8]| std::str::from_utf8(name).expect("it was text");
        above(script.as_bytes()).map(text).collect()
    }

    #[test]
    fn the_directories_of_a_script() {
        for (script, own, all) in [
            ("/home/a/w/x.php", Some("/home/a/w/"), &["/home/a", "/home/a/w"][..]),
            ("/home/a/x.php", Some("/home/a/"), &["/home/a"]),
            ("/home/x.php", Some("/home/"), &[]),
            ("/x.php", Some("/"), &[]),
            ("/tmp/1/x.php", Some("/tmp/1/"), &["/tmp", "/tmp/1"]),
            ("ww://a/b/c", None, &[""]),
            ("x.php", None, &[""]),
            ("", None, &[""]),
        ] {
            assert_eq!(directory_of(script.as_bytes()), own.map(str::as_bytes), "{script}");
            assert_eq!(names(script), all, "{script}");
        }
        let deep = "/d".repeat(5000);
        assert_eq!(directory_of(deep.as_bytes()), None);
        assert_eq!(names(&deep).len(), DEEPEST - 1);
        assert_eq!(names(&deep[..20]).last().map(|name| name.len()), Some(2 * DEEPEST));
    }

    /// What is reported of scripts with so many messages each, with a limit of 30.
    fn reported(scripts: &[(String, u64)]) -> (Vec<String>, Vec<String>) {
        let mut directories = Directories::default();
        for (script, messages) in scripts {
            let share = Share::of_script(*messages).expect("few");
            let stats = SenderStats { messages: *messages, ..SenderStats::default() };
            if let Some(directory) = directory_of(script.as_bytes()) {
                directories.add(directory, share, stats);
            }
            above(script.as_bytes()).for_each(|above| directories.add_below(above, share));
        }
        let (own, below) = directories.finish(0, |_, messages| messages >= 30);
        let own = own.iter().map(|directory| {
            let Directory { name, scripts, stats, .. } = directory;
            format!("{} {scripts} {}", String::from_utf8_lossy(name), stats.messages)
        });
        let below = below.iter().map(|scattered| {
            let Scattered { below, scripts, messages, .. } = scattered;
            format!("{} {scripts} {messages}", String::from_utf8_lossy(below))
        });
        (own.collect(), below.collect())
    }

    fn scripts(count: u64, messages: u64, path: impl Fn(u64) -> String) -> Vec<(String, u64)> {
        (0..count).map(|n| (path(n), messages)).collect()
    }

    #[test]
    fn enough_scripts_and_enough_messages() {
        let in_one = |count, messages| reported(&scripts(count, messages, |n| format!("/h/a/{n}")));
        assert_eq!(in_one(30, 1).0, ["/h/a/ 30 30"]);
        assert_eq!(in_one(20, 2).0, ["/h/a/ 20 40"]);
        assert_eq!(in_one(30, 1).1, [""; 0], "not reported again");
        for (count, messages) in [(29, 1), (19, 3), (14, 2)] {
            assert_eq!(in_one(count, messages), (vec![], vec![]), "{count} {messages}");
        }
    }

    #[test]
    fn what_is_reported_is_not_reported_again_further_up() {
        let mut all = scripts(30, 1, |n| format!("/h/a/one/{n}"));
        all.extend(scripts(25, 2, |n| format!("/h/a/two/{n}/x")));
        all.extend(scripts(29, 1, |n| format!("/h/a/{n}/x")));
        let below = vec!["/h/a/two 25 50".to_owned()];
        assert_eq!(reported(&all), (vec!["/h/a/one/ 30 30".into()], below.clone()));
        all.extend(scripts(1, 1, |_| "/h/a/x".into()));
        let below = [vec!["/h/a 30 30".to_owned()], below].concat();
        assert_eq!(reported(&all).1, below);
    }

    #[test]
    fn one_level_is_too_general_and_names_that_are_no_paths_are_one_group() {
        let mut all = scripts(40, 1, |n| format!("/home/{n}/x.php"));
        assert_eq!(reported(&all), (vec![], vec![]));
        all.extend(scripts(40, 1, |n| format!("w{n}://x")));
        all.extend(scripts(40, 1, |n| format!("/tmp/{n}/x")));
        assert_eq!(reported(&all).1, [" 40 40", "/tmp 40 40"]);
    }

    #[test]
    fn messages_of_a_script_are_its_shares() {
        assert!(Share::of_script(0).is_none() && Share::of_script(FEW + 1).is_none());
        assert!(Share::of_messages(1, 0).is_none() && Share::of_messages(1, FEW + 1).is_none());
        for of in 1..=FEW {
            let mut sum = Sum::default();
            (0..of).for_each(|_| sum.add(Share::of_messages(1, of).expect("few")));
            assert_eq!((sum.scripts(), sum.messages), (1, of));
        }
    }

    #[test]
    fn the_line_is_that_of_the_script_that_sent_first() {
        let stats = |first: i64, line: &str| SenderStats {
            messages: 1,
            span: Some((first, first)),
            line: line.as_bytes().into(),
            ..SenderStats::default()
        };
        let mut known = stats(5, "b");
        join(&mut known, stats(7, "a"));
        assert_eq!((&*known.line, known.span), (&b"b"[..], Some((5, 7))));
        join(&mut known, stats(3, "c"));
        assert_eq!((&*known.line, known.span, known.messages), (&b"c"[..], Some((3, 7)), 3));
    }
}
