//! Whether the debug mode is on: decided by the environment variables, once, as the addon is loaded.

use std::env;
use std::sync::Once;

/// Switches the debug mode on if the environment asks for it. Only the first call decides: what a
/// program sets later, or sets for a worker, changes nothing.
pub(crate) fn enable_from_environment() {
    static DECIDED: Once = Once::new();
    DECIDED.call_once(|| {
        let read = |name| env::var_os(name).and_then(|value| value.into_string().ok());
        if asks(read("CMALLOC_DEBUG").as_deref(), read("DEBUG").as_deref()) {
            super::enable();
        }
    });
}

/// The first of the two that is a number decides. Other programs read `DEBUG` too, and want names there.
fn asks(own: Option<&str>, shared: Option<&str>) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    [own, shared].into_iter().flatten().find_map(number).is_some_and(|number| number != 0.0)
}

#[cfg(test)]
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
    fn the_own_variable_wins_if_it_is_a_number() {
        assert!(!asks(Some("0"), Some("1")));
        assert!(asks(Some("1"), Some("0")));
        assert!(asks(Some("yes"), Some("1")));
        assert!(!asks(Some(""), Some("app:*")));
    }
}
