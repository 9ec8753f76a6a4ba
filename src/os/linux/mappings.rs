//! The mappings of the process. At their limit no thread can start and nothing more can be mapped.

use super::files::read;
use crate::os::mappings::Mappings;

/// What the kernel allows if nobody set anything else.
const DEFAULT_LIMIT: usize = 65_530;

/// `vm.max_map_count`, and the lines of `/proc/self/maps`. With as many as there may be, this takes some 20 ms.
pub(crate) fn mappings() -> Option<Mappings> {
    let limit = read("/proc/sys/vm/max_map_count").and_then(|text| text.trim().parse().ok());
    let used = read("/proc/self/maps").map(|text| text.lines().count());
    Some(Mappings { used, limit: limit.unwrap_or(DEFAULT_LIMIT) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells() {
        let Mappings { used, limit } = mappings().expect("Linux has a limit");
        let used = used.expect("this machine has /proc");
        assert!(used > 10 && used < limit, "{used} of {limit}");
    }
}
