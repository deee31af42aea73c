//! The state on disk: read with care, written atomically.
//!
//! Takes the directory; gives a state, or what is wrong with the file. While the file cannot be written (a full or
//! read-only disk), a copy in another directory keeps what was done: forgotten locks would be made again, and
//! notices repeated, in every run. Each copy has the number of times that the state was written, so that the newer
//! one counts, whichever that is.
//!
//! It does not read more than [`LONGEST`], follow a symbolic link, or wait for a pipe.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use serde::Deserialize;

use super::State;
use crate::account::AccountName;
use crate::system::{Error, files};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// No state file is longer.
const LONGEST: u64 = 64 << 20;

const NAME: &str = "state.json";

/// The part that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Where the state is kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// Its directory.
    pub dir: PathBuf,
    /// A directory, in memory or at least on another disk, for a copy of a state that cannot be written there.
    pub copy: Option<PathBuf>,
    /// Whether root runs the program: then a directory must be owned by root, and writable by nobody else.
    pub root: bool,
}

impl Store {
    /// Reads the state; without a directory or a file it is empty. Of the file and its copy the one that was
    /// written last counts. Nothing is changed on disk.
    ///
    /// If the file is damaged the state is empty, and a text says so.
    pub fn load(&self, now: i64) -> Result<(State, Option<String>), Error> {
        let (state, damaged) = State::load(&self.dir, self.root, now)?;
        let Some(copy) = &self.copy else { return Ok((state, damaged)) };
        match State::load(copy, self.root, now) {
            Ok((copy, None)) if copy.serial > state.serial => {
                let aside = state.aside;
                Ok((State { changed: true, from_copy: true, aside, ..copy }, damaged))
            }
            // A copy that cannot be read, or that somebody else may have written, is none.
            _ => Ok((state, damaged)),
        }
    }

    /// When the state was last written, wherever.
    pub fn written(&self) -> Option<SystemTime> {
        let dirs = std::iter::once(&self.dir).chain(&self.copy);
        dirs.filter_map(|dir| fs::metadata(dir.join(NAME)).ok()?.modified().ok()).max()
    }

    /// Writes the state if it has changed; if that fails, a copy of it. It is an error all the same.
    pub fn save(&self, state: &mut State) -> Result<(), Error> {
        if !state.changed {
            return Ok(());
        }
        let saved = state.save(&self.dir, self.root);
        let Some(copy) = &self.copy else { return saved };
        match &saved {
            // The copy is older now. If it stays, it does not count.
            Ok(()) => {
                let copy = copy.join(NAME);
                if fs::symlink_metadata(&copy).is_ok() {
                    let _ = fs::remove_file(copy);
                }
            }
            Err(_) => {
                let aside = state.aside.take();
                let copied = state.save(copy, self.root);
                state.aside = aside;
                // The file itself is still to be written.
                (state.changed, state.from_copy) = (true, copied.is_ok());
            }
        }
        saved
    }
}

impl State {
    /// Reads the state of one directory; without the directory or the file it is empty. `root` says whether root
    /// runs the program: then the directory must be owned by root, and writable by nobody else. Nothing is changed
    /// on disk.
    ///
    /// If the file is damaged the state is empty, and a text says so.
    pub fn load(dir: &Path, root: bool, now: i64) -> Result<(Self, Option<String>), Error> {
        let path = dir.join(NAME);
        let empty = Self { version: VERSION, ..Self::default() };
        if !files::check_dir(dir, root)? {
            return Ok((empty, None));
        }
        let why = match read(&path) {
            Ok(None) => return Ok((empty, None)),
            Ok(Some(text)) => match parse(&text) {
                Ok(mut state) => {
                    state.tidy(now);
                    return Ok((state, None));
                }
                Err(why) => why,
            },
            Err(Bad::Kind(why)) => why.into(),
            // Root may read everything. What fails then is the disk, and the file is kept.
            Err(Bad::Io(source)) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::Read { path, source });
            }
            Err(Bad::Io(source)) => source.to_string(),
        };
        let aside = dir.join(format!("{NAME}.damaged-{now}"));
        let damaged = format!(
            "{}: damaged ({why}): it will be renamed to {}, and a new one started",
            path.display(),
            aside.display()
        );
        Ok((Self { changed: true, aside: Some(aside), ..empty }, Some(damaged)))
    }

    /// Writes the state if it has changed. The directory is created if it is missing.
    pub fn save(&mut self, dir: &Path, root: bool) -> Result<(), Error> {
        if !self.changed {
            return Ok(());
        }
        files::create_dir(dir, root)?;
        let path = dir.join(NAME);
        let failed = |source| Error::Write { path: path.clone(), source };
        self.version = VERSION;
        self.serial = self.serial.saturating_add(1);
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| failed(e.into()))?;
        text.push(b'\n');
        if let Some(aside) = &self.aside {
            match fs::rename(&path, aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(error));
                }
                _ => self.aside = None,
            }
        }
        files::write_atomically(&path, &text)?;
        (self.changed, self.from_copy) = (false, false);
        Ok(())
    }
}

/// Why a file is not a state.
enum Bad {
    /// It is not a file that can be read as one.
    Kind(&'static str),
    /// It cannot be read.
    Io(io::Error),
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Bad> {
    // A link or a device is not opened at all.
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(Bad::Kind("not a regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Bad::Io(error)),
    }
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits())
        .expect("flags of open(2) are an int");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Bad::Io)?;
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(Bad::Io)?;
    if text.len() as u64 > LONGEST {
        return Err(Bad::Kind("larger than 64 MiB"));
    }
    Ok(Some(text))
}

fn parse(text: &[u8]) -> Result<State, String> {
    let Versioned { version } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if version != VERSION {
        return Err(format!("unknown version {version}"));
    }
    let state: State = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if state.accounts.keys().any(|name| AccountName::spelled(name.as_bytes()).is_err()) {
        return Err("a name in it is not an account name".into());
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::super::Lock;
    use super::*;
    use crate::notice::{Notice, NoticeKind};
    use crate::system::files::tests::names as lie_in;
    use spamcore::evidence::Counts;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use tempfile::tempdir;

    const NOW: i64 = 1_795_500_000;

    fn full() -> State {
        let mut state = State { version: VERSION, ..State::default() };
        let alice = AccountName::check(b"alice@example.org").expect("a name");
        let lock = Lock {
            method: "nis:master.example.org".into(),
            logins: Vec::new(),
            undo: vec!["undo".into()],
            at: NOW,
            counts: Counts { messages: 95, nets: 7, unknowns: 8, ips: 9 },
            period: "1hour 30minutes".into(),
            log: "/var/log/mail.log".into(),
            pending: true,
        };
        let text = Notice { subject: "s".into(), body: "b \"\u{f6}\n".into() };
        let method = lock.method.clone();
        state.begin_lock(&alice, lock, text);
        state.finish_lock(&alice, &method, NOW);
        state.notified(&alice, NoticeKind::StillSending, NOW);
        state
    }

    fn saved(dir: &Path) -> State {
        let mut state = full();
        state.save(dir, false).expect("the directory is ours");
        state
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let scratch = tempdir().expect("a directory");
        let dir = scratch.path().join("lib");
        let (empty, damaged) = State::load(&dir, false, NOW).expect("a missing directory is empty");
        assert_eq!((empty.accounts().count(), damaged), (0, None));
        assert!(!dir.exists(), "loading changes nothing");
        let state = saved(&dir);
        let metadata = fs::metadata(dir.join(NAME)).expect("it was written");
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).expect("it was made").mode() & 0o777, 0o700);
        assert_eq!(State::load(&dir, false, NOW).expect("it is whole"), (state, None));
    }

    /// The file of a host on which an earlier release has locked an account.
    #[test]
    fn the_names_in_the_file_are_those_of_earlier_releases() {
        let text = r#"{
  "version": 1,
  "accounts": {
    "alice": {
      "locks": [
        {
          "way": "local",
          "undo": [
            "passwd -u -- alice"
          ],
          "at": 1795500000,
          "counts": {
            "messages": 95,
            "nets": 7,
            "unknowns": 8,
            "ips": 9
          },
          "period": "1 hour",
          "log": "/var/log/mail.log",
          "pending": false
        }
      ],
      "seen_locked": 1795500000,
      "told": {
        "disabled": 1795500000
      },
      "waiting": {
        "still-sending": {
          "subject": "s",
          "body": "b\n"
        }
      }
    }
  },
  "recent": [
    1795500000
  ]
}
"#;
        let scratch = tempdir().expect("a directory");
        let path = scratch.path().join(NAME);
        fs::write(&path, text).expect("the directory is ours");
        let (mut state, damaged) = State::load(scratch.path(), false, NOW).expect("it is whole");
        assert_eq!(damaged, None);
        state.changed = true;
        state.save(scratch.path(), false).expect("the directory is ours");
        // What is new has a default.
        let text = text.replace("\"version\": 1,", "\"version\": 1,\n  \"serial\": 1,");
        assert_eq!(fs::read_to_string(&path).expect("it was written"), text);
    }

    #[test]
    fn of_the_state_and_its_copy_the_newer_one_counts() {
        let scratch = tempdir().expect("a directory");
        let (dir, copy) = (scratch.path().join("lib"), scratch.path().join("run"));
        let store = Store { dir: dir.clone(), copy: Some(copy.clone()), root: false };
        let load = || store.load(NOW).expect("it is whole").0;
        let add = |state: &mut State, name: &str| {
            state.see_locked(&AccountName::check(name.as_bytes()).expect("a name"), NOW);
            store.save(state)
        };
        let names = || load().accounts().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        add(&mut load(), "a").expect("the directory is ours");
        // The temporary file cannot be written.
        let in_the_way = dir.join(format!(".{NAME}.spam-check"));
        fs::create_dir(&in_the_way).expect("the directory is ours");
        for (name, want) in [("b", &["a", "b"][..]), ("c", &["a", "b", "c"])] {
            let mut state = load();
            assert!(matches!(add(&mut state, name), Err(Error::Write { .. })));
            assert!(state.is_copied() && !load().is_done());
            assert_eq!(names(), want);
        }
        fs::remove_dir(&in_the_way).expect("it goes");
        let old = fs::read(copy.join(NAME)).expect("the copy");
        store.save(&mut load()).expect("it can be written again");
        assert!(!copy.join(NAME).exists() && load().is_done());
        add(&mut load(), "d").expect("the directory is ours");
        // An old copy that could not be removed, and one that is no state.
        for text in [&old[..], b"no state"] {
            fs::write(copy.join(NAME), text).expect("the directory is ours");
            assert_eq!(names(), ["a", "b", "c", "d"]);
        }
    }

    #[test]
    fn an_unchanged_state_is_not_written() {
        let scratch = tempdir().expect("a directory");
        saved(scratch.path());
        let inode = || fs::metadata(scratch.path().join(NAME)).expect("it is there").ino();
        let before = inode();
        let (mut state, _) = State::load(scratch.path(), false, NOW).expect("it is whole");
        state.save(scratch.path(), false).expect("there is nothing to do");
        assert_eq!(inode(), before);
    }

    #[test]
    fn a_damaged_file_is_put_aside_and_told_once() {
        let names = |last| [NAME.to_owned(), format!("{NAME}.damaged-{last}")];
        let cases: [&[u8]; 9] = [
            b"",
            b"{}",
            b"\0\0\0\0",
            b"\xff",
            b"[]",
            b"{\"version\":2,\"accounts\":{}}",
            b"{\"version\":1,\"accounts\":{},\"recent\":[],\"more\":1}",
            b"{\"version\":1,\"accounts\":{},\"recent\":[1e99]}",
            br#"{"version":1,"accounts":{"-rf /":{"locks":[],"seen_locked":null,"told":{},"waiting":{}}},"recent":[]}"#,
        ];
        for contents in cases {
            let scratch = tempdir().expect("a directory");
            fs::write(scratch.path().join(NAME), contents).expect("the directory is ours");
            let (mut state, damaged) = State::load(scratch.path(), false, NOW).expect("it goes on");
            assert!(damaged.expect("it is reported").contains("damaged ("), "{contents:?}");
            assert_eq!(lie_in(scratch.path()), [NAME], "loading changes nothing");
            state.save(scratch.path(), false).expect("the directory is ours");
            assert_eq!(lie_in(scratch.path()), names(NOW));
            let aside = fs::read(scratch.path().join(&names(NOW)[1])).expect("it was put aside");
            assert_eq!(aside, contents);
            let (_, damaged) = State::load(scratch.path(), false, NOW).expect("it is whole");
            assert_eq!(damaged, None);
        }
    }

    #[test]
    fn a_file_cut_off_at_any_byte_is_damaged_and_stops_nobody() {
        let scratch = tempdir().expect("a directory");
        saved(scratch.path());
        let path = scratch.path().join(NAME);
        let whole = fs::read(&path).expect("it was written");
        for length in 0..whole.len() - 1 {
            fs::write(&path, &whole[..length]).expect("the directory is ours");
            let (state, damaged) = State::load(scratch.path(), false, NOW).expect("it goes on");
            assert!(damaged.is_some() && state.accounts().count() == 0, "{length}");
        }
        // A byte that was changed never panics, and never lets a bad name in.
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            fs::write(&path, &changed).expect("the directory is ours");
            let (state, _) = State::load(scratch.path(), false, NOW).expect("it goes on");
            assert!(state.accounts().all(|(name, _)| AccountName::check(name.as_bytes()).is_ok()));
        }
    }

    #[test]
    fn what_is_no_plain_file_is_put_aside_and_not_followed() {
        for dir in [true, false] {
            let scratch = tempdir().expect("a directory");
            let path = scratch.path().join(NAME);
            if dir {
                fs::create_dir(&path).expect("ours");
            } else {
                std::os::unix::fs::symlink("/dev/zero", &path).expect("ours");
            }
            let (mut state, damaged) = State::load(scratch.path(), false, NOW).expect("it goes on");
            assert!(damaged.is_some());
            state.save(scratch.path(), false).expect("it is put aside");
            assert_eq!(State::load(scratch.path(), false, NOW).expect("it is whole").1, None);
        }
    }

    #[test]
    fn killed_between_write_and_rename_the_old_state_stands() {
        let scratch = tempdir().expect("a directory");
        let state = saved(scratch.path());
        fs::write(scratch.path().join(format!(".{NAME}.spam-check")), "{\"vers").expect("ours");
        let (mut loaded, damaged) = State::load(scratch.path(), false, NOW).expect("it is whole");
        assert_eq!((&loaded, damaged), (&state, None));
        loaded.see_locked(&AccountName::check(b"bob").expect("a name"), NOW);
        loaded.save(scratch.path(), false).expect("the left-over is removed");
        assert_eq!(lie_in(scratch.path()), [NAME]);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error_and_the_old_state_stands() {
        let scratch = tempdir().expect("a directory");
        let state = saved(scratch.path());
        // In the way of the temporary file, whoever runs this: a directory that is not empty.
        fs::create_dir_all(scratch.path().join(format!(".{NAME}.spam-check/x"))).expect("ours");
        let (mut loaded, _) = State::load(scratch.path(), false, NOW).expect("it is whole");
        loaded.see_locked(&AccountName::check(b"bob").expect("a name"), NOW);
        assert!(matches!(loaded.save(scratch.path(), false), Err(Error::Write { .. })));
        assert!(loaded.changed, "it is still to be written");
        assert_eq!(State::load(scratch.path(), false, NOW).expect("it is whole").0, state);
    }

    #[test]
    fn root_takes_no_directory_that_others_can_write() {
        let scratch = tempdir().expect("a directory");
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).expect("ours");
        assert!(matches!(State::load(scratch.path(), true, NOW), Err(Error::Refused { .. })));
        assert!(matches!(full().save(scratch.path(), true), Err(Error::Refused { .. })));
    }
}
