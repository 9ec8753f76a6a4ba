//! Files in which the kernel tells about the process.

use std::fs;
use std::path::Path;

use crate::fault;

/// The text of a file of the kernel. Names in it, such as those of mounts, need not be UTF-8.
pub(super) fn read(file: impl AsRef<Path>) -> Option<String> {
    if fault::strikes() {
        return None;
    }
    Some(String::from_utf8_lossy(&fs::read(file).ok()?).into_owned())
}
