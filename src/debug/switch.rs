//! Whether the debug mode is on.

#[cfg(feature = "napi")]
use std::env;
#[cfg(feature = "napi")]
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Switches the debug mode on for the rest of the process. Blocks that exist already are not checked.
///
/// # Examples
///
/// ```
/// cmalloc::debug::enable();
/// let block = cmalloc::Block::malloc(3)?;
/// // SAFETY: the redzone after the block belongs to it. That nobody may write there is what this shows.
/// unsafe { block.as_ptr().add(3).write(0x41) };
/// let corruption = block.free().unwrap_err();
/// assert_eq!((corruption.len(), corruption.offset(), corruption.found()), (3, 3, 0x41));
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Whether the debug mode is on.
#[inline]
#[must_use]
pub fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Switches the debug mode on if the environment variables ask for it. Only the first call decides: what the program
/// sets later, or sets for a worker, changes nothing.
#[cfg(feature = "napi")]
pub(crate) fn enable_from_environment() {
    static DECIDED: Once = Once::new();
    DECIDED.call_once(|| {
        let read = |name| env::var_os(name).and_then(|value| value.into_string().ok());
        if asks(read("CMALLOC_DEBUG").as_deref(), read("DEBUG").as_deref()) {
            enable();
        }
    });
}

/// The first of the two variables that is a number decides. Other programs also read `DEBUG`, and expect names in it.
#[cfg(feature = "napi")]
fn asks(own: Option<&str>, shared: Option<&str>) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    [own, shared].into_iter().flatten().find_map(number).is_some_and(|number| number != 0.0)
}

#[cfg(all(test, feature = "napi"))]
mod tests {
    use super::asks;

    #[test]
    fn a_number_other_than_zero_switches_it_on() {
        for on in ["1", "2", "-1", "0.5", " 1 ", "1e3"] {
            assert!(asks(None, Some(on)) && asks(Some(on), None), "{on:?}");
        }
        for off in ["", "0", "0.0", "-0", "app:*", "true", "1x", "nan", "inf", "infinity"] {
            assert!(!asks(None, Some(off)) && !asks(Some(off), None), "{off:?}");
        }
        assert!(!asks(None, None));
    }

    #[test]
    fn cmalloc_debug_wins_if_it_is_a_number() {
        assert!(!asks(Some("0"), Some("1")));
        assert!(asks(Some("1"), Some("0")));
        assert!(asks(Some("yes"), Some("1")));
        assert!(!asks(Some(""), Some("app:*")));
    }
}
