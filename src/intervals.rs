//! [`Intervals`]: address ranges that do not overlap, each with a value.

use std::collections::BTreeMap;

/// A range of addresses that is not empty. It may include the highest address, which a half-open range could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    first: u64,
    last: u64,
}

/// Intervals that do not overlap, each with a value.
#[derive(Debug)]
pub(crate) struct Intervals<T> {
    /// The last address and the value of each interval, by its first address.
    by_first: BTreeMap<u64, (u64, T)>,
}

impl Interval {
    /// The `len` addresses from `first` on; `None` if `len` is 0, or if the last address does not fit into 64 bits.
    pub(crate) fn new(first: u64, len: u64) -> Option<Self> {
        let last = first.checked_add(len.checked_sub(1)?)?;
        Some(Self { first, last })
    }

    pub(crate) fn first(self) -> u64 {
        self.first
    }

    /// How many addresses there are. For the interval of all 2^64 addresses it is one less.
    pub(crate) fn len(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl<T> Intervals<T> {
    pub(crate) const fn new() -> Self {
        Self { by_first: BTreeMap::new() }
    }

    /// Adds an interval. If it overlaps another one, nothing is added and the value is returned.
    pub(crate) fn insert(&mut self, interval: Interval, value: T) -> Result<(), T> {
        if self.overlapping(interval).is_some() {
            return Err(value);
        }
        self.by_first.insert(interval.first, (interval.last, value));
        Ok(())
    }

    /// The last one of the intervals that overlap `interval`.
    ///
    /// Intervals that do not overlap each other end in the order in which they begin. So of those that begin before `interval`
    /// ends, the last one ends last. If that one does not overlap `interval`, none does.
    pub(crate) fn overlapping(&self, interval: Interval) -> Option<(Interval, &T)> {
        let (&first, (last, value)) = self.by_first.range(..=interval.last).next_back()?;
        (*last >= interval.first).then_some((Interval { first, last: *last }, value))
    }

    /// The value of the interval that begins at `first`.
    pub(crate) fn get(&self, first: u64) -> Option<&T> {
        self.by_first.get(&first).map(|(_, value)| value)
    }

    /// Removes the interval that begins at `first`, and returns its value.
    pub(crate) fn remove(&mut self, first: u64) -> Option<T> {
        self.by_first.remove(&first).map(|(_, value)| value)
    }

    /// The number of intervals.
    pub(crate) fn len(&self) -> usize {
        self.by_first.len()
    }

    /// The first address and the value of each interval.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.by_first.iter().map(|(first, (_, value))| (*first, value))
    }

    /// Removes all intervals, and returns their values.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.by_first).into_values().map(|(_, value)| value)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn interval(first: u64, len: u64) -> Interval {
        Interval::new(first, len).unwrap()
    }

    #[test]
    fn an_interval_is_not_empty_and_fits_into_64_bits() {
        assert_eq!(Interval::new(1, 0), None);
        assert_eq!(Interval::new(u64::MAX, 2), None);
        assert_eq!(Interval::new(2, u64::MAX), None);
        let highest = interval(u64::MAX, 1);
        assert_eq!((highest.first(), highest.len()), (u64::MAX, 1));
        assert_eq!(interval(0, u64::MAX).len(), u64::MAX);
    }

    #[test]
    fn every_way_to_overlap_is_found() {
        let mut intervals = Intervals::new();
        assert_eq!(intervals.insert(interval(100, 50), 'a'), Ok(()));
        let overlapping = [(100, 50), (99, 2), (149, 1), (149, 100), (110, 5), (0, 1000), (0, u64::MAX), (90, 11)];
        for (first, len) in overlapping {
            assert_eq!(intervals.overlapping(interval(first, len)), Some((interval(100, 50), &'a')), "{first} {len}");
            assert_eq!(intervals.insert(interval(first, len), 'b'), Err('b'), "{first} {len}");
        }
        for (first, len) in [(0, 100), (99, 1), (150, 1), (150, u64::MAX - 150)] {
            assert_eq!(intervals.overlapping(interval(first, len)), None, "{first} {len}");
        }
    }

    #[test]
    fn intervals_may_touch() {
        let mut intervals = Intervals::new();
        for first in [10, 0, 20, u64::MAX - 9] {
            assert_eq!(intervals.insert(interval(first, 10), first), Ok(()));
        }
        assert_eq!(intervals.overlapping(interval(9, 2)), Some((interval(10, 10), &10)));
        assert_eq!(intervals.overlapping(interval(u64::MAX, 1)), Some((interval(u64::MAX - 9, 10), &(u64::MAX - 9))));
    }

    #[test]
    fn what_was_removed_overlaps_nothing() {
        let mut intervals = Intervals::new();
        assert_eq!(intervals.insert(interval(100, 50), 'a'), Ok(()));
        assert_eq!((intervals.get(100), intervals.get(101)), (Some(&'a'), None));
        assert_eq!((intervals.remove(101), intervals.remove(100), intervals.remove(100)), (None, Some('a'), None));
        assert_eq!(intervals.insert(interval(120, 50), 'b'), Ok(()));
        assert_eq!((intervals.len(), intervals.iter().collect::<Vec<_>>()), (1, vec![(120, &'b')]));
        assert_eq!(intervals.drain().collect::<Vec<_>>(), ['b']);
        assert_eq!(intervals.overlapping(interval(0, u64::MAX)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 3 } else { 200 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Compared with a list of which every entry is looked at.
        #[test]
        fn overlaps_are_those_that_a_look_at_each_finds(
            steps in vec((0..300u64, 1..40u64, any::<bool>()), 1..if cfg!(miri) { 20 } else { 200 })
        ) {
            let mut intervals = Intervals::new();
            let mut list: Vec<(u64, u64)> = Vec::new();
            for (first, len, remove) in steps {
                let meets = |(start, count): &(u64, u64)| *start < first + len && first < start + count;
                let found = intervals.overlapping(interval(first, len)).map(|(found, ())| (found.first(), found.len()));
                match found {
                    Some(found) => prop_assert!(meets(&found) && list.contains(&found)),
                    None => prop_assert!(!list.iter().any(meets)),
                }
                if let (Some((start, _)), true) = (found, remove) {
                    prop_assert_eq!(intervals.remove(start), Some(()));
                    list.retain(|(other, _)| *other != start);
                } else if intervals.insert(interval(first, len), ()).is_ok() {
                    list.push((first, len));
                }
            }
        }
    }
}
