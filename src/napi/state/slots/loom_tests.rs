use loom::thread;

use super::*;
use crate::napi::state::slot_table::Owned;

/// Blocks that a reader must never see mixed: one's start with the other's length.
fn short_and_long() -> [Block; 2] {
    let mut blocks = [Block::malloc(8).unwrap(), Block::malloc(8).unwrap()];
    blocks.sort_by_key(|block| block.as_ptr().addr());
    let [short, mut long] = blocks;
    long.resize(1000).unwrap();
    [short, long]
}

/// Asks, while `slots` changes the table, whether an address is owned that no block ever has: it is behind
/// the short block.
fn nobody_sees_a_mixture(change: fn(SlotRef<'_>, Block)) {
    loom::model(move || {
        let slots = Slots::new(0);
        let slot = slots.get(slots.occupy(1).unwrap());
        let [short, long] = short_and_long();
        let behind = short.as_ptr().addr() + 8;
        let owned_by_long = (long.as_ptr().addr()..long.as_ptr().addr() + long.len()).contains(&behind);
        slot.put(short.into());
        let table = Arc::clone(slots.table());
        let reader = thread::spawn(move || table.owns(behind));
        change(slot, long);
        assert!(owned_by_long || reader.join().unwrap() == Owned::No, "an old address was seen with a new length");
        drop(slot.take());
    });
}

#[test]
fn a_block_that_is_replaced_is_never_seen_with_the_other_ones_length() {
    nobody_sees_a_mixture(|slot, long| {
        drop(slot.take());
        slot.put(long.into());
    });
}

#[test]
fn a_block_that_is_resized_is_never_seen_with_its_new_length_at_its_old_place() {
    nobody_sees_a_mixture(|slot, long| {
        slot.change(|block| *block = long);
    });
}

#[test]
fn a_block_that_stays_is_always_owned_while_another_comes_and_goes() {
    loom::model(|| {
        let slots = Slots::new(0);
        let [stays, comes] = [0; 2].map(|_| slots.get(slots.occupy(1).unwrap()));
        let [short, long] = short_and_long();
        let inside = short.as_ptr().addr() + 7;
        stays.put(short.into());
        let table = Arc::clone(slots.table());
        let reader = thread::spawn(move || table.owns(inside));
        comes.put(long.into());
        drop(comes.take());
        assert_eq!(reader.join().unwrap(), Owned::Yes);
        drop(stays.take());
    });
}

/// As another thread is given what a resize gave back to C.
#[test]
fn what_a_resize_gave_away_is_not_said_to_be_owned() {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    loom::model(|| {
        let slots = Slots::new(0);
        let slot = slots.get(slots.occupy(1).unwrap());
        let [short, long] = short_and_long();
        let address = short.as_ptr().addr();
        let given_away = Arc::new(AtomicBool::new(false));
        slot.put(short.into());
        let table = std::sync::Arc::clone(slots.table());
        let reader = {
            let given_away = Arc::clone(&given_away);
            thread::spawn(move || !given_away.load(Ordering::Acquire) || table.owns(address) != Owned::Yes)
        };
        slot.change(|block| {
            *block = long;
            given_away.store(true, Ordering::Release);
        });
        assert!(reader.join().unwrap());
        drop(slot.take());
    });
}

#[test]
fn an_entry_that_is_new_is_whole() {
    loom::model(|| {
        let slots = Slots::new(7);
        let table = Arc::clone(slots.table());
        let reader = thread::spawn(move || table.owns(8));
        let slots = [0; 3].map(|_| slots.occupy(1).unwrap());
        assert_eq!(reader.join().unwrap(), Owned::No);
        assert_eq!(slots, [0, 1, 2]);
    });
}
