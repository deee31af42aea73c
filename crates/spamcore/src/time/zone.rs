//! Time zones: that of this host, and others by name.
//!
//! Takes `TZ`, which may name a zone that is not installed, or the name of a zone, and converts between instants
//! and local time. The rules come from the system's TZif files (`/usr/share/zoneinfo`, `/etc/localtime`) and from POSIX strings in `TZ`; the
//! `tz-rs` crate reads them. Names also come from log lines, so a name is checked before it becomes a
//! path: it can only lead to a file below the zone directory. UTC and GMT need no file. A log can name any
//! number of zones, in any number of spellings: [`Zones`] reads each file once, and no file for other names.
//!
//! Limit: if the clocks change twice within one day, only one change is seen. Since 1970 that has not
//! happened in any zone that has servers.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use foldhash::quality::RandomState;
use tz::TimeZone;
use tz::timezone::TimeZoneSettings;

use super::legacy::is_legacy;

const DIRECTORIES: [&str; 2] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo"];

/// The zone of the host.
const LOCALTIME: &str = "/etc/localtime";

/// How long a name may be, in bytes: as long as a path.
const LONGEST_NAME: usize = 4096;

/// Zone files are a few kilobytes long; a larger file is not one.
const LARGEST_FILE: u64 = 1 << 20;

/// A day in seconds: no zone is further from UTC, and clocks never change by more.
const DAY: i64 = 86_400;

/// The rules of one time zone.
#[derive(Clone, Debug)]
pub struct Zone {
    rules: TimeZone,
    /// Its name or rule; none if it is that of [`LOCALTIME`].
    name: Option<Arc<str>>,
}

/// Zones by their names, each read once.
#[derive(Debug, Default)]
pub struct Zones {
    /// By name in lower case; none for a file that is not a zone. It holds no more names than there are files.
    known: HashMap<Box<str>, Option<Zone>, RandomState>,
    /// The name that is looked up. Kept, so that a lookup allocates nothing.
    name: String,
}

/// A `TZ` that is neither a rule nor the name of a zone that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownZone(String);

/// The instants, in Unix seconds, at which clocks show a given local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instants {
    /// Exactly one; or none, and this one uses the offset from before the change.
    One(i64),
    /// Two, the earlier one first: the hour repeats.
    Two(i64, i64),
}

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self { rules: TimeZone::utc(), name: Some("UTC".into()) }
    }

    /// The local zone as the C library has it: that of [`of_host`](Self::of_host), and UTC where `TZ` means nothing
    /// here.
    pub fn local(tz: Option<&str>) -> Self {
        Self::of_host(tz).unwrap_or_else(|_| Self::utc())
    }

    /// The local zone: from `TZ`, else from `/etc/localtime`, else UTC.
    ///
    /// As in the C library, a colon before a name means nothing, an empty `TZ` means UTC, and a rule with summer
    /// time that does not say when it is gets the dates of the United States. Other than there, a `TZ` that is
    /// neither a rule nor the name of an installed zone is an error.
    pub fn of_host(tz: Option<&str>) -> Result<Self, UnknownZone> {
        let Some(text) = tz else {
            let rules = settings().parse_posix_tz("localtime");
            return Ok(rules.map_or_else(|_| Self::utc(), |rules| Self { rules, name: None }));
        };
        let name = text.strip_prefix(':').unwrap_or(text);
        let rules = settings()
            .parse_posix_tz(name)
            .or_else(|_| settings().parse_posix_tz(&format!("{name},M3.2.0,M11.1.0")));
        match rules {
            Ok(rules) => Ok(Self { rules, name: Some(name.into()) }),
            Err(_) if name.is_empty() || is_utc(&name.to_ascii_lowercase()) => Ok(Self::utc()),
            Err(_) => Err(UnknownZone(text.to_owned())),
        }
    }

    /// What a local zone is called: as in `TZ`, or that to which `/etc/localtime` leads.
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.to_string();
        }
        let target = std::fs::read_link(LOCALTIME).unwrap_or_else(|_| LOCALTIME.into());
        let target = target.display().to_string();
        target.split_once("/zoneinfo/").map_or(target.clone(), |(_, name)| name.to_owned())
    }

    /// Seconds east of UTC at an instant.
    pub fn offset_at(&self, instant: i64) -> i32 {
        self.rules.find_local_time_type(instant).map_or(0, tz::LocalTimeType::ut_offset)
    }

    /// The offset for which the zone uses an abbreviation such as `CEST`, near a local time or half a year
    /// away from it.
    pub fn offset_called(&self, name: &[u8], local: i64) -> Option<i32> {
        let half_year = 182 * DAY;
        [0, DAY / 2, -DAY / 2, half_year, -half_year].iter().find_map(|from| {
            let kind = self.rules.find_local_time_type(local + from).ok()?;
            (kind.time_zone_designation().as_bytes() == name).then_some(kind.ut_offset())
        })
    }

    /// When clocks show `local`: seconds since 1970-01-01 00:00:00 in local time.
    pub fn instants(&self, local: i64) -> Instants {
        let before = i64::from(self.offset_at(local - DAY));
        let after = i64::from(self.offset_at(local + DAY));
        let holds = |offset: i64| i64::from(self.offset_at(local - offset)) == offset;
        match (holds(before), holds(after)) {
            (true, true) if before != after => {
                let (a, b) = (local - before, local - after);
                Instants::Two(a.min(b), a.max(b))
            }
            (false, true) => Instants::One(local - after),
            _ => Instants::One(local - before),
        }
    }

    /// Whether the clocks go back between `start` and `end`, so that an hour repeats.
    pub fn repeats_between(&self, start: i64, end: i64) -> bool {
        // Changes are weeks apart, so steps of six hours find every one.
        let step = DAY / 4;
        let mut at = start;
        while at < end {
            let next = (at + step).min(end);
            if self.offset_at(next) < self.offset_at(at) {
                return true;
            }
            at = next;
        }
        false
    }
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tz) = self;
        write!(f, "TZ={tz}: ")?;
        if is_legacy(tz.strip_prefix(':').unwrap_or(tz)) {
            f.write_str(
                "this time zone is not installed (Debian has it in the package tzdata-legacy)",
            )
        } else if DIRECTORIES.iter().any(|dir| Path::new(dir).join("Etc").exists()) {
            f.write_str("not a time zone that is installed, nor a POSIX rule")
        } else {
            f.write_str("no time zones are installed (they are in the package tzdata)")
        }
    }
}

impl Zones {
    /// The zone that a log line names, such as `Europe/Madrid`; none if it is not known here.
    ///
    /// PHP accepts a name in any case, and with empty or `.` components, and logs it as it was set; so
    /// those make no difference here.
    pub fn get(&mut self, name: &[u8]) -> Option<&Zone> {
        let name = std::str::from_utf8(name).ok()?;
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+-/.".contains(&b);
        if name.starts_with('/') || name.len() > LONGEST_NAME || !name.bytes().all(is_allowed) {
            return None;
        }
        self.name.clear();
        for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part.contains('.') {
                return None;
            }
            if !self.name.is_empty() {
                self.name.push('/');
            }
            self.name.push_str(part);
        }
        let key = self.name.to_ascii_lowercase();
        if !self.known.contains_key(&*key) {
            let zone = match read_zone(&self.name, &key) {
                Named::Zone(zone) => Some(zone),
                Named::Other => None,
                // There are as many such names as anybody likes, so they are not kept.
                Named::Nothing => return None,
            };
            self.known.insert(key.as_str().into(), zone);
        }
        self.known.get(&*key)?.as_ref()
    }
}

/// What the file of a name holds.
enum Named {
    Zone(Zone),
    /// It exists, but is not a zone, as `leapseconds`.
    Other,
    /// There is no such file.
    Nothing,
}

/// Reads the zone of a name, which is `key` in lower case.
fn read_zone(name: &str, key: &str) -> Named {
    if is_utc(key) {
        return Named::Zone(Zone::utc());
    }
    let parsed = |data: Vec<u8>| {
        let rules = TimeZone::from_tz_data(&data);
        rules.map_or(Named::Other, |rules| Named::Zone(Zone { rules, name: Some(name.into()) }))
    };
    // Most logs spell their zones as the files are called. The first other name is looked up in a list of all
    // files, and from then on every name is: one that does not exist must cost no system call.
    let exact = || DIRECTORIES.iter().find_map(|dir| read_file(&format!("{dir}/{name}")).ok());
    if FILES.get().is_none()
        && let Some(data) = exact()
    {
        return parsed(data);
    }
    match FILES.get_or_init(list_files).get(key) {
        Some(path) => read_file(path).map_or(Named::Other, parsed),
        None => Named::Nothing,
    }
}

/// Whether a name, in lower case, is one of UTC, which needs no file.
fn is_utc(key: &str) -> bool {
    ["utc", "gmt", "z", "etc/utc", "etc/gmt", "universal", "zulu"].contains(&key)
}

fn settings() -> TimeZoneSettings<'static> {
    TimeZoneSettings::new(&DIRECTORIES, |path| Ok(read_file(path)?))
}

/// The files of all zones, by their names in lower case; read when the first name is met that is no file's.
static FILES: OnceLock<HashMap<String, String, RandomState>> = OnceLock::new();

fn list_files() -> HashMap<String, String, RandomState> {
    let mut files = HashMap::default();
    for directory in DIRECTORIES {
        list(directory, "", &mut files);
    }
    files
}

/// Lists the files below a directory by their names in lower case. Zone names have at most three parts.
fn list(directory: &str, below: &str, files: &mut HashMap<String, String, RandomState>) {
    let Ok(entries) = std::fs::read_dir(format!("{directory}/{below}")) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files.entry(name.to_ascii_lowercase()).or_insert(format!("{directory}/{name}"));
        } else if name.matches('/').count() < 2 {
            list(directory, &name, files);
        }
    }
}

/// Reads a TZif file, which is known by its magic number.
fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut data = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut data)?;
    if data.starts_with(b"TZif") { Ok(data) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8]) -> Option<Zone> {
        Zones::default().get(name).cloned()
    }

    #[test]
    fn a_file_is_read_once_however_its_name_is_spelled() {
        let mut zones = Zones::default();
        let name = "Europe/Madrid";
        for spelling in 0..1_u32 << name.len() {
            let spelled = |(nth, c): (usize, char)| {
                if spelling >> nth & 1 == 1 {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                }
            };
            let spelled: String = name.chars().enumerate().map(spelled).collect();
            assert_eq!(
                zones.get(spelled.as_bytes()).expect("tzdata").offset_at(0),
                3600,
                "{spelled}"
            );
            assert!(zones.get(format!("{spelled}{spelling}").as_bytes()).is_none());
        }
        assert_eq!(zones.known.len(), 1, "and names that do not exist are not kept");
    }

    #[test]
    fn madrid_skips_and_repeats_an_hour() {
        let zone = named(b"Europe/Madrid").expect("tzdata");
        // 2026-03-29 01:59:59, 02:30:00 (does not exist) and 03:00:00
        assert_eq!(zone.instants(1_774_749_599), Instants::One(1_774_745_999));
        assert_eq!(zone.instants(1_774_751_400), Instants::One(1_774_747_800));
        assert_eq!(zone.instants(1_774_753_200), Instants::One(1_774_746_000));
        // 2026-10-25 02:30:00 happens twice
        assert_eq!(zone.instants(1_792_895_400), Instants::Two(1_792_888_200, 1_792_891_800));
        assert!(zone.repeats_between(1_792_800_000, 1_792_900_000));
        assert!(!zone.repeats_between(1_774_700_000, 1_774_800_000), "the clocks go forward");
        assert!(zone.repeats_between(1_767_265_200, 1_798_801_200), "2026, from winter to winter");
        assert_eq!(zone.instants(1_795_435_200), Instants::One(1_795_431_600), "an ordinary day");
    }

    #[test]
    fn names_lead_only_to_zone_files() {
        for name in [
            "",
            "/etc/localtime",
            "../../etc/localtime",
            // This file exists and is a zone.
            "../../../etc/localtime",
            "/../../../etc/localtime",
            &format!("Europe{}Madrid", "/".repeat(LONGEST_NAME - 11)),
            "Europe/../Europe/Madrid",
            &"x".repeat(65),
            "./.",
            "Europe",
            "Europe/Nowhere",
            "a b",
            "zone.tab",
            "tzdata.zi",
        ] {
            assert!(named(name.as_bytes()).is_none(), "{name}");
        }
        assert_eq!(named(b"eUROPE/mADRID").expect("tzdata").offset_at(0), 3600);
        // PHP accepts these.
        let longest = format!("Europe{}Madrid", "/".repeat(LONGEST_NAME - 12));
        for name in ["./Europe/Madrid", "Europe/./Madrid", "Europe//./madrid", &longest] {
            assert_eq!(named(name.as_bytes()).expect("tzdata").offset_at(0), 3600, "{name}");
        }
        assert!(named(b"utc").is_some());
        assert_eq!(named(b"Etc/GMT+5").expect("tzdata").offset_at(0), -18_000);
    }

    #[test]
    fn tz_is_read_as_by_the_c_library() {
        assert_eq!(Zone::local(Some("Europe/Madrid")).offset_at(1_782_979_878), 7200);
        assert_eq!(Zone::local(Some(":Europe/Madrid")).offset_at(1_782_979_878), 7200);
        assert_eq!(Zone::local(Some("CET-1CEST,M3.5.0,M10.5.0/3")).offset_at(1_782_979_878), 7200);
        assert_eq!(Zone::local(Some("EST5")).offset_at(1_782_979_878), -18_000);
        assert_eq!(Zone::local(Some("")).offset_at(1_782_979_878), 0);
        assert_eq!(Zone::local(Some("No/Where")).offset_at(1_782_979_878), 0);
        for (tz, offset) in [
            ("/usr/share/zoneinfo/Europe/Madrid", 7200),
            (":/usr/share/zoneinfo/Europe/Madrid", 7200),
            (":CET-1CEST,M3.5.0,M10.5.0/3", 7200),
            ("EST5EDT", -14_400),
            (":", 0),
            ("UTC", 0),
            ("utc", 0),
            ("<+0530>-5:30", 19_800),
        ] {
            let zone = Zone::of_host(Some(tz)).expect(tz);
            assert_eq!(zone.offset_at(1_782_979_878), offset, "{tz}");
        }
        assert!(Zone::of_host(None).is_ok());
        let madrid = Zone::local(Some("Europe/Madrid"));
        assert_eq!(madrid.offset_called(b"CEST", 1_782_979_878), Some(7200));
        assert_eq!(madrid.offset_called(b"CET", 1_782_979_878), Some(3600));
        assert_eq!(madrid.offset_called(b"EST", 1_782_979_878), None);
        // Istanbul abolished summer time in September 2016; since then its abbreviations are numbers.
        let istanbul = Zone::local(Some("Europe/Istanbul"));
        assert_eq!(istanbul.offset_called(b"EEST", 1_483_228_800), Some(10_800), "half a year ago");
        assert_eq!(istanbul.offset_called(b"+03", 1_467_331_200), Some(10_800), "in half a year");
    }

    #[test]
    fn a_zone_that_is_not_installed_is_an_error_that_names_its_package() {
        let error = |tz| Zone::of_host(Some(tz)).map(|_| ()).expect_err(tz).to_string();
        let unknown = "not a time zone that is installed, nor a POSIX rule";
        for tz in
            ["Asia/Calcuta", "Europe", "CEST", "/etc/passwd", "../../../etc/passwd", ":No/Where"]
        {
            assert_eq!(error(tz), format!("TZ={tz}: {unknown}"));
        }
        // No host has this one.
        let legacy = "this time zone is not installed (Debian has it in the package tzdata-legacy)";
        assert_eq!(error("posix/No/Where"), format!("TZ=posix/No/Where: {legacy}"));
    }
}
