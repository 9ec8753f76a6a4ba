//! [`Cells`]: which of many equal places are taken.

/// Places that are numbered from 0. The lowest free one is taken first, so that the others stay untouched.
#[derive(Debug)]
pub(super) struct Cells {
    /// A bit is set if the place is taken. Those after the last place are set too.
    words: Box<[u64]>,
    /// Every place before this word is taken.
    first_free: usize,
    taken: usize,
    len: usize,
}

const BITS: usize = u64::BITS as usize;

impl Cells {
    /// `len` free places.
    pub(super) fn new(len: usize) -> Self {
        let mut words = vec![0; len.div_ceil(BITS)].into_boxed_slice();
        if let Some(last) = words.last_mut().filter(|_| !len.is_multiple_of(BITS)) {
            *last = u64::MAX << (len % BITS);
        }
        Self { words, first_free: 0, taken: 0, len }
    }

    /// Takes a free place; `None` if there is none.
    pub(super) fn take(&mut self) -> Option<usize> {
        let word = self.words.iter().skip(self.first_free).position(|word| *word != u64::MAX)? + self.first_free;
        let bit = self.words[word].trailing_ones() as usize;
        self.words[word] |= 1 << bit;
        self.first_free = word;
        self.taken += 1;
        Some(word * BITS + bit)
    }

    /// Frees a place that is taken.
    pub(super) fn give_back(&mut self, index: usize) {
        let (word, bit) = (index / BITS, 1 << (index % BITS));
        debug_assert!(index < self.len && self.words[word] & bit != 0, "place {index} is not taken");
        self.words[word] &= !bit;
        self.first_free = self.first_free.min(word);
        self.taken -= 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.taken == self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_taken_once_the_lowest_first() {
        for len in [1, 2, 63, 64, 65, 200] {
            let mut cells = Cells::new(len);
            assert!(cells.is_empty() && !cells.is_full());
            assert!((0..len).all(|index| cells.take() == Some(index)));
            assert!(cells.is_full());
            assert_eq!(cells.take(), None);
            for index in [len / 2, 0, len - 1] {
                cells.give_back(index);
                assert!(!cells.is_full());
                assert_eq!(cells.take(), Some(index));
            }
            (0..len).for_each(|index| cells.give_back(index));
            assert!(cells.is_empty());
        }
    }
}
