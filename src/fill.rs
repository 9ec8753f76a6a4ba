//! Fills bytes with a repeated pattern.

use std::ptr;

/// The longest copy. It fits into half of a second-level cache, from which copying is fastest.
const SOURCE: usize = 128 << 10;

/// Repeats `pattern` over `len` bytes from `start`, beginning with the byte of the pattern at offset `phase`. The last
/// repetition is cut off at the end. An empty pattern changes nothing.
///
/// # Safety
///
/// `start` must be valid for writes of `len` bytes, and `pattern` for reads of `pattern_len` bytes. `phase` must be 0
/// or less than `pattern_len`. The two may overlap only if `phase` is 0.
pub(crate) unsafe fn fill(start: *mut u8, len: usize, pattern: *const u8, pattern_len: usize, phase: usize) {
    if pattern_len == 1 {
        // SAFETY: the caller promises that both are valid.
        unsafe { start.write_bytes(*pattern, len) };
        return;
    }
    let to_end = (pattern_len - phase).min(len);
    let mut filled = pattern_len.min(len);
    // SAFETY: the pattern has `to_end` bytes from `phase` on, and the others before it. Both fit into `len` bytes.
    unsafe {
        ptr::copy(pattern.add(phase), start, to_end);
        ptr::copy(pattern, start.add(to_end), filled - to_end);
    }
    if filled == 0 {
        return;
    }
    // What is filled is copied behind itself, which doubles it, until it has the length of the longest copy. The source
    // always starts at `start`, and its length is a multiple of the pattern's, so each copy continues the pattern.
    let mut source = filled;
    while filled < len {
        let count = source.min(len - filled);
        // SAFETY: the source is filled. The target begins after it and ends at `len` at the latest.
        unsafe { ptr::copy_nonoverlapping(start, start.add(filled), count) };
        filled += count;
        if source < SOURCE {
            source = filled;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_is_the_pattern_at_every_length_from_every_phase() {
        for pattern_len in [1, 2, 3, 7, 4096] {
            let pattern: Vec<u8> = (0..pattern_len).map(|index| (index % 251) as u8 + 1).collect();
            let lengths: &[usize] = if cfg!(miri) { &[1, 5, 300] } else { &[1, 2, 3, 5, 4095, 4097, 700_001] };
            for len in lengths {
                for phase in [0, 1, 2, pattern_len - 1] {
                    let phase = phase.min(pattern_len - 1);
                    let mut bytes = vec![0; *len];
                    // SAFETY: the lengths are those of the vector and the slice. The phase is less than the pattern's.
                    unsafe { fill(bytes.as_mut_ptr(), *len, pattern.as_ptr(), pattern_len, phase) };
                    let expected = pattern.iter().cycle().skip(phase);
                    assert!(bytes.iter().zip(expected).all(|(a, b)| a == b), "{pattern_len} over {len} from {phase}");
                }
            }
        }
    }

    #[test]
    fn an_empty_pattern_changes_nothing() {
        let mut bytes = [7; 10];
        // SAFETY: nothing is read of an empty slice.
        unsafe { fill(bytes.as_mut_ptr(), 10, [].as_ptr(), 0, 0) };
        assert_eq!(bytes, [7; 10]);
    }
}
