use super::*;
use crate::napi::state::slot_table::Owned;

fn block(len: usize) -> Block {
    Block::zeroed(len).unwrap()
}

#[test]
fn a_key_names_its_entry_until_the_block_goes() {
    let slots = Slots::new(5);
    let slot = slots.get(slots.occupy(1).unwrap());
    let key = slot.key();
    assert_eq!(slots.find(key, 1).map(SlotRef::index), Some(slot.index));
    slot.put(block(8).into());
    assert_eq!(slots.find(key, 1).map(SlotRef::index), Some(slot.index));
    drop(slot.take());
    assert_eq!(slots.find(key, 1).map(SlotRef::index), None, "stale");
    assert_eq!(slots.find(slot.key(), 1).map(SlotRef::index), Some(slot.index));
}

#[test]
fn forged_keys_name_nothing() {
    let slots = Slots::new(0);
    let slot = slots.get(slots.occupy(1).unwrap());
    let key = slot.key();
    assert_eq!(slots.find(key, 2).map(SlotRef::index), None, "another's");
    for forged in [-1.0, f64::NAN, f64::INFINITY, key + 0.5, key + 1.0, key + KEY_STEP, 1e300] {
        assert_eq!(slots.find(forged, 1).map(SlotRef::index), None, "{forged}");
    }
    slot.vacate();
    assert_eq!(slots.find(slot.key(), 1).map(SlotRef::index), None, "the right number of an entry without a slot");
}

#[test]
fn an_entry_whose_generations_are_used_up_is_retired() {
    let slots = Slots::new(0);
    let slot = slots.get(slots.occupy(1).unwrap());
    slot.entry.generation.store(LAST_GENERATION - 1, Ordering::Relaxed);
    assert_eq!(slots.find(slot.key(), 1).map(SlotRef::index), Some(slot.index));
    slot.put(block(8).into());
    drop(slot.take());
    assert_eq!(slot.key(), -1.0);
    let last = f64::from(LAST_GENERATION) * KEY_STEP + f64::from(slot.index);
    assert_eq!(slots.find(last, 1).map(SlotRef::index), None);
    slot.put(block(8).into());
    assert_eq!(slot.take().unwrap().len(), 8, "its slot still works");
    slot.vacate();
    assert_ne!(slots.occupy(1), Some(slot.index));
}

#[test]
fn other_threads_see_where_the_blocks_are() {
    let slots = Slots::new(0);
    let slot = slots.get(slots.occupy(1).unwrap());
    slot.put(block(100).into());
    let start = slot.parts().unwrap().0.as_ptr().addr();
    let table = Arc::clone(slots.table());
    let owns = move |address| std::thread::spawn(move || table.owns(address)).join().unwrap();
    assert_eq!([owns.clone()(start), owns.clone()(start + 99)], [Owned::Yes; 2]);
    assert_eq!([owns.clone()(start + 100), owns.clone()(start - 1)], [Owned::No; 2]);
    let (while_resized, behind) = slot.change(|_| (owns.clone()(start), owns.clone()(start + 100))).unwrap();
    assert_eq!((while_resized, behind), (Owned::Unsettled, Owned::No));
    assert_eq!(owns.clone()(start), Owned::Yes);
    drop(slot.take());
    assert_eq!(owns(start), Owned::No);
}

#[test]
fn a_change_makes_the_key_stale() {
    let slots = Slots::new(0);
    let slot = slots.get(slots.occupy(1).unwrap());
    assert!(slot.change(|_| ()).is_none(), "there is no block");
    slot.put(block(8).into());
    let key = slot.key();
    slot.change(|block| block.resize(100_000)).unwrap().unwrap();
    assert_eq!(slots.find(key, 1).map(SlotRef::index), None);
    assert_eq!(slot.parts().unwrap().1, 100_000);
    assert_eq!(slots.counters().live_bytes.get(), 100_000);
    drop(slot.take());
}

#[test]
fn a_lent_block_cannot_be_taken() {
    let slots = Slots::new(0);
    let slot = slots.get(slots.occupy(1).unwrap());
    slot.put(block(8).into());
    let lent = slot.lend().unwrap();
    assert!(slot.take().is_none() && slot.lend().is_none());
    assert_eq!(slot.parts().unwrap().1, 8);
    slot.reclaim(lent);
    assert_eq!(slot.take().unwrap().len(), 8);
}

#[test]
fn live_bytes_are_counted() {
    let slots = Slots::new(0);
    let slot = slots.get(slots.occupy(1).unwrap());
    let live = || slots.counters().live_bytes.get();
    slot.put(block(8).into());
    assert_eq!(live(), 8);
    drop(slot.take());
    assert_eq!(live(), 0);
}
