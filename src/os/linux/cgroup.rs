//! How much memory the process's control groups have left, in both versions of the interface.
//!
//! Containers limit memory through control groups. Groups are nested, and the limit of each one above the process
//! counts. Their usage includes file pages that the kernel drops when memory gets short; those on its inactive list
//! count as free.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::files::read;

/// The version of a hierarchy. The names of its files depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// A mounted hierarchy that can limit memory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    version: Version,
    /// The group that is mounted. In a container this is often the container's own group.
    root: PathBuf,
    mount_point: PathBuf,
}

/// The two files of a kind of limit: the limit, and what is used of it.
const V1_MEMORY: [&str; 2] = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
const V1_MEMORY_AND_SWAP: [&str; 2] = ["memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes"];
const V2_MEMORY: [&str; 2] = ["memory.max", "memory.current"];

/// How many bytes the group that has least has left; `None` if no group has a limit.
pub(super) fn available() -> Option<u64> {
    static HIERARCHIES: OnceLock<Vec<Hierarchy>> = OnceLock::new();
    let hierarchies = match HIERARCHIES.get() {
        Some(hierarchies) => hierarchies,
        None => {
            // Only a result is kept: reading may work the next time.
            let mounts = read("/proc/self/mountinfo")?;
            HIERARCHIES.get_or_init(|| parse_mounts(&mounts))
        }
    };
    if hierarchies.is_empty() {
        return None;
    }
    // Read each time, because a process can be moved to another group.
    let membership = read("/proc/self/cgroup")?;
    hierarchies.iter().filter_map(|hierarchy| hierarchy.available(&membership)).min()
}

impl Hierarchy {
    /// What is left in the group that has least, from the process's own group up to the mounted one.
    fn available(&self, membership: &str) -> Option<u64> {
        let group = group_of(membership, self.version)?;
        // A group outside of the mounted one (a namespace shows it as `/../x`) has no files here. The mounted group
        // does.
        let below = Path::new(group).strip_prefix(&self.root).unwrap_or(Path::new(""));
        let below = if below.components().any(|part| part.as_os_str() == "..") { Path::new("") } else { below };
        below.ancestors().filter_map(|part| self.version.group_available(&self.mount_point.join(part))).min()
    }
}

impl Version {
    fn group_available(self, group: &Path) -> Option<u64> {
        match self {
            Self::V1 => {
                let reclaimable = || inactive_file(group, "total_inactive_file");
                let memory = left(group, V1_MEMORY, reclaimable);
                let memory_and_swap = left(group, V1_MEMORY_AND_SWAP, reclaimable);
                [memory, memory_and_swap].into_iter().flatten().min()
            }
            Self::V2 => left(group, V2_MEMORY, || inactive_file(group, "inactive_file")),
        }
    }
}

fn left(group: &Path, [limit, usage]: [&str; 2], reclaimable: impl FnOnce() -> u64) -> Option<u64> {
    // No limit is "max" in version 2, and a number near 2^63 in version 1.
    let limit = read_number(&group.join(limit)).filter(|limit| *limit < 1 << 62)?;
    let usage = read_number(&group.join(usage))?;
    Some(limit.saturating_sub(usage).saturating_add(reclaimable().min(usage)).min(limit))
}

fn inactive_file(group: &Path, name: &str) -> u64 {
    let stat = read(group.join("memory.stat")).unwrap_or_default();
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0)
}

fn read_number(file: &Path) -> Option<u64> {
    read(file)?.trim().parse().ok()
}

/// The process's group in the hierarchy, from the lines `id:controllers:path` of `/proc/self/cgroup`.
fn group_of(membership: &str, version: Version) -> Option<&str> {
    membership.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let matches = match version {
            Version::V1 => controllers.split(',').any(|controller| controller == "memory"),
            Version::V2 => controllers.is_empty(),
        };
        matches.then_some(path)
    })
}

/// The hierarchies among the mounts of `/proc/self/mountinfo`: `id parent major:minor root mount_point options
/// [optional ...] - type source super_options`.
fn parse_mounts(text: &str) -> Vec<Hierarchy> {
    text.lines()
        .filter_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let mut mount = mount.split(' ').skip(3);
            let (root, mount_point) = (mount.next()?, mount.next()?);
            let mut file_system = file_system.split(' ');
            let version = match file_system.next()? {
                "cgroup" if file_system.nth(1)?.split(',').any(|option| option == "memory") => Version::V1,
                "cgroup2" => Version::V2,
                _ => return None,
            };
            Some(Hierarchy { version, root: unescape(root), mount_point: unescape(mount_point) })
        })
        .collect()
}

/// `mountinfo` writes spaces and backslashes as octal numbers.
fn unescape(path: &str) -> PathBuf {
    let path = path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MOUNTS: &str = "\
25 30 0:23 / /proc rw - proc proc rw
40 30 0:35 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
41 30 0:36 /docker/abc /sys/fs/cgroup/memory rw shared:11 master:2 - cgroup cgroup rw,memory
42 30 0:37 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
43 30 0:38 / /mnt/a\\040b rw - cgroup2 cgroup2 rw
";

    fn hierarchy(version: Version, root: &str, mount_point: &Path) -> Hierarchy {
        Hierarchy { version, root: root.into(), mount_point: mount_point.into() }
    }

    /// A directory of its own for a test's group files, removed at its end.
    struct Groups(PathBuf);

    impl Groups {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("cmalloc-{name}-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }

        fn write(&self, group: &str, file: &str, text: &str) {
            let directory = self.0.join(group);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(file), text).unwrap();
        }
    }

    impl Drop for Groups {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_hierarchies_that_can_limit_memory_are_found() {
        assert_eq!(
            parse_mounts(MOUNTS),
            [
                hierarchy(Version::V2, "/", Path::new("/sys/fs/cgroup/unified")),
                hierarchy(Version::V1, "/docker/abc", Path::new("/sys/fs/cgroup/memory")),
                hierarchy(Version::V2, "/", Path::new("/mnt/a b")),
            ]
        );
    }

    #[test]
    fn the_group_is_found_by_controller_or_by_its_empty_list() {
        let membership = "5:cpu,cpuacct:/cpu\n4:hugetlb,memory:/mem:with:colons\n0::/unified\n";
        assert_eq!(group_of(membership, Version::V1), Some("/mem:with:colons"));
        assert_eq!(group_of(membership, Version::V2), Some("/unified"));
        assert_eq!(group_of("5:cpu:/\n", Version::V1), None);
    }

    #[test]
    fn the_most_limited_ancestor_counts_in_version_2() {
        let groups = Groups::new("v2");
        groups.write("", "memory.max", "max\n");
        groups.write("a", "memory.max", "1000\n");
        groups.write("a", "memory.current", "900\n");
        groups.write("a", "memory.stat", "anon 1\nfile 2\ninactive_file 50\nactive_file 9\n");
        groups.write("a/b", "memory.max", "5000\n");
        groups.write("a/b", "memory.current", "0\n");
        let unified = hierarchy(Version::V2, "/", &groups.0);
        assert_eq!(unified.available("0::/a/b\n"), Some(150));
        assert_eq!(unified.available("0::/\n"), None, "without a limit nothing is said");
    }

    #[test]
    fn version_1_counts_memory_and_swap_too() {
        let groups = Groups::new("v1");
        groups.write("c", "memory.limit_in_bytes", "1000\n");
        groups.write("c", "memory.usage_in_bytes", "300\n");
        groups.write("c", "memory.stat", "inactive_file 7\ntotal_inactive_file 100\n");
        // The container's own group is mounted at the top: the path is relative to it.
        let memory = hierarchy(Version::V1, "/docker/abc", &groups.0);
        assert_eq!(memory.available("4:memory:/docker/abc/c\n"), Some(800));
        groups.write("c", "memory.memsw.limit_in_bytes", "500\n");
        groups.write("c", "memory.memsw.usage_in_bytes", "300\n");
        assert_eq!(memory.available("4:memory:/docker/abc/c\n"), Some(300));
        groups.write("c", "memory.memsw.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(memory.available("4:memory:/docker/abc/c\n"), Some(800), "no limit");
    }

    #[test]
    fn a_group_outside_of_the_mount_is_judged_by_what_is_mounted() {
        let groups = Groups::new("outside");
        groups.write("", "memory.max", "10\n");
        groups.write("", "memory.current", "4\n");
        let unified = hierarchy(Version::V2, "/", &groups.0);
        assert_eq!(unified.available("0::/../other\n"), Some(6));
        let contained = hierarchy(Version::V2, "/container", &groups.0);
        assert_eq!(contained.available("0::/elsewhere\n"), Some(6));
    }

    #[test]
    fn usage_over_the_limit_leaves_what_can_be_reclaimed() {
        let groups = Groups::new("over");
        groups.write("", "memory.max", "10\n");
        groups.write("", "memory.current", "12\n");
        assert_eq!(hierarchy(Version::V2, "/", &groups.0).available("0::/\n"), Some(0));
    }
}
