//! Files in which the kernel tells about the process.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::fault;

/// Most such files fit into this, so that one call reads them, and another one finds their end.
const ROOM: usize = 4096;

/// The text of a file of the kernel. Names in it, such as those of mounts, need not be UTF-8.
pub(super) fn read(file: impl AsRef<Path>) -> Option<String> {
    if fault::strikes() {
        return None;
    }
    let mut text = Vec::with_capacity(ROOM);
    // `take` hides that this is a file: it would be asked for its length, which the kernel gives as 0, and read in small
    // parts.
    File::open(file).ok()?.take(u64::MAX).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
