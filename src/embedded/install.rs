//! How to get `redis-server` on this machine, in one command.
//!
//! Owns: the wording. Must never know: whether it is followed. Called by `embedded::redis` for its error.

/// The install command for the machine that we run on.
pub(super) fn command() -> &'static str {
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    command_for(std::env::consts::OS, &os_release)
}

/// The install command for an operating system (as [`std::env::consts::OS`] calls it) with this `os-release` file.
fn command_for(os: &str, os_release: &str) -> &'static str {
    if os == "macos" {
        return "brew install redis";
    }
    // ID names the distribution, ID_LIKE its relatives, nearest first.
    let field = |name: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let families = format!("{} {}", field("ID"), field("ID_LIKE"));
    families
        .split_whitespace()
        .find_map(command_for_family)
        .unwrap_or("see https://redis.io/docs/latest/operate/oss_and_stack/install/")
}

fn command_for_family(family: &str) -> Option<&'static str> {
    match family {
        "debian" | "ubuntu" => Some("sudo apt-get install redis-server"),
        "fedora" | "rhel" | "centos" => Some("sudo dnf install redis"),
        "alpine" => Some("sudo apk add redis"),
        "arch" => Some("sudo pacman -S redis"),
        "suse" | "opensuse" => Some("sudo zypper install redis"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::command_for;

    #[test]
    fn the_command_is_that_of_the_distribution_or_of_its_nearest_relative() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n";
        assert_eq!(command_for("linux", debian), "sudo apt-get install redis-server");
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        assert_eq!(command_for("linux", mint), "sudo apt-get install redis-server");
        let rocky = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        assert_eq!(command_for("linux", rocky), "sudo dnf install redis");
        assert_eq!(command_for("linux", "ID=alpine"), "sudo apk add redis");
        assert_eq!(command_for("macos", ""), "brew install redis");
    }

    #[test]
    fn an_unknown_system_gets_an_address() {
        assert!(command_for("linux", "ID=plan9").contains("https://redis.io"));
        assert!(command_for("freebsd", "").contains("https://redis.io"));
    }
}
