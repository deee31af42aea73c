//! The names of time zones that Debian 13 and Ubuntu 24.04 have moved into a package of their own, tzdata-legacy.
//!
//! Takes a name that is not installed, and says whether that package has it. The names are the links of tzdata
//! 2025b that are neither in its zone.tab nor below Etc, and the zones that are not called after a place.

/// Whether a name is in tzdata-legacy, as everything below `posix` and `right` is.
pub(super) fn is_legacy(name: &str) -> bool {
    name.starts_with("posix/")
        || name.starts_with("right/")
        || NAMES.split(' ').any(|legacy| legacy == name)
}

/// The names, separated by single spaces.
const NAMES: &str = "\
    Africa/Asmera Africa/Timbuktu America/Argentina/ComodRivadavia America/Atka America/Buenos_Aires \
    America/Catamarca America/Coral_Harbour America/Cordoba America/Ensenada America/Fort_Wayne \
    America/Godthab America/Indianapolis America/Jujuy America/Knox_IN America/Louisville America/Mendoza \
    America/Montreal America/Nipigon America/Pangnirtung America/Porto_Acre America/Rainy_River \
    America/Rosario America/Santa_Isabel America/Shiprock America/Thunder_Bay America/Virgin \
    America/Yellowknife Antarctica/South_Pole Asia/Ashkhabad Asia/Calcutta Asia/Choibalsan Asia/Chongqing \
    Asia/Chungking Asia/Dacca Asia/Harbin Asia/Istanbul Asia/Kashgar Asia/Katmandu Asia/Macao Asia/Rangoon \
    Asia/Saigon Asia/Tel_Aviv Asia/Thimbu Asia/Ujung_Pandang Asia/Ulan_Bator Atlantic/Faeroe \
    Atlantic/Jan_Mayen Australia/ACT Australia/Canberra Australia/Currie Australia/LHI Australia/NSW \
    Australia/North Australia/Queensland Australia/South Australia/Tasmania Australia/Victoria \
    Australia/West Australia/Yancowinna Brazil/Acre Brazil/DeNoronha Brazil/East Brazil/West CET \
    Canada/Atlantic Canada/Central Canada/Eastern Canada/Mountain Canada/Newfoundland Canada/Pacific \
    Canada/Saskatchewan Canada/Yukon Chile/Continental Chile/EasterIsland Cuba EET EST Egypt Eire \
    Europe/Belfast Europe/Kiev Europe/Nicosia Europe/Tiraspol Europe/Uzhgorod Europe/Zaporozhye GB GB-Eire \
    Greenwich HST Hongkong Iceland Iran Israel Jamaica Japan Kwajalein Libya MET MST Mexico/BajaNorte \
    Mexico/BajaSur Mexico/General NZ NZ-CHAT Navajo PRC Pacific/Enderbury Pacific/Johnston Pacific/Ponape \
    Pacific/Samoa Pacific/Truk Pacific/Yap Poland Portugal ROC ROK Singapore Turkey UCT US/Alaska \
    US/Aleutian US/Arizona US/Central US/East-Indiana US/Eastern US/Hawaii US/Indiana-Starke US/Michigan \
    US/Mountain US/Pacific US/Samoa W-SU WET";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_are_legacy_and_cities_are_not() {
        for name in
            ["US/Eastern", "Asia/Calcutta", "Africa/Asmera", "Turkey", "CET", "posix/Europe/Madrid"]
        {
            assert!(is_legacy(name), "{name}");
        }
        for name in ["Asia/Kolkata", "Europe/Madrid", "America/New_York", "Asia/Calcuta", "", "US"]
        {
            assert!(!is_legacy(name), "{name}");
        }
    }
}
