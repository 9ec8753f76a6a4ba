//! How much memory the machine has left: `MemAvailable` of `/proc/meminfo`.

use super::files::read;

/// The kernel's estimate of what can be used without swapping, in bytes.
pub(super) fn available() -> Option<u64> {
    parse(&read("/proc/meminfo")?)
}

fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mem_available_is_in_kib() {
        assert_eq!(parse("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   23 kB\n"), Some(23 * 1024));
        assert_eq!(parse("MemTotal:  100 kB\n"), None);
        assert_eq!(parse("MemAvailable: much kB\n"), None);
    }

    #[test]
    fn this_machine_tells() {
        assert!(available().expect("/proc/meminfo is there") > 0);
    }
}
