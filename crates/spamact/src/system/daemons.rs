//! Which daemons run on this host.
//!
//! Takes the directory of the kernel's processes (`/proc`); gives the command lines of those that belong to root or to a
//! user of the system. Other users could start a program under any name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The uids below this one are those of the system (`SYS_UID_MAX` of login.defs(5) and below).
const FIRST_REGULAR: u32 = 1000;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The arguments; the first is the program, as it calls itself.
    pub arguments: Vec<String>,
}

impl Process {
    /// Whether it runs a program of this name.
    pub fn is(&self, name: &str) -> bool {
        // Some daemons put what they do behind their name.
        let program = self.arguments.first().and_then(|program| program.split([' ', ':']).next());
        program.is_some_and(|program| program.rsplit('/').next() == Some(name))
    }

    /// Whether it was started with an option.
    pub fn has(&self, option: &str) -> bool {
        self.arguments.iter().skip(1).any(|argument| argument == option)
    }
}

/// The processes of the system. Those that cannot be read are left out.
pub fn running(proc: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let process = |entry: fs::DirEntry| {
        entry.file_name().to_str()?.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        let path = entry.path();
        (fs::metadata(&path).ok()?.uid() < FIRST_REGULAR).then_some(())?;
        let text = fs::read(path.join("cmdline")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let arguments = text.split_terminator('\0').map(str::to_owned).collect();
        Some(Process { arguments })
    };
    entries.flatten().filter_map(process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_name_and_options() {
        let process = |arguments: &[&str]| Process {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        };
        let saslauthd = process(&["/usr/sbin/saslauthd", "-a", "pam", "-c"]);
        assert!(saslauthd.is("saslauthd") && saslauthd.has("-c") && !saslauthd.has("-m"));
        assert!(!saslauthd.is("auth") && !process(&["saslauthd"]).has("-c"));
        assert!(process(&["nscd: worker"]).is("nscd") && !process(&[]).is("nscd"));
        let scratch = tempfile::tempdir().expect("a directory");
        for (name, text) in [("12", "a\0-b\0"), ("self", "c\0"), ("13", "")] {
            fs::create_dir(scratch.path().join(name)).expect("the directory is ours");
            fs::write(scratch.path().join(name).join("cmdline"), text)
                .expect("the directory is ours");
        }
        let found = running(scratch.path());
        let is_system = rustix::process::geteuid().as_raw() < FIRST_REGULAR;
        assert_eq!(found.contains(&process(&["a", "-b"])), is_system);
        assert!(!found.iter().any(|process| process.is("c")));
        assert_eq!(running(&scratch.path().join("none")), []);
    }
}
