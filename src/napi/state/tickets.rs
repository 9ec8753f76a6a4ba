//! Blocks that were handed over and not taken yet, by ticket. They wait until they are taken or the process ends.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;

use crate::Block;
use crate::sync::{Mutex, MutexGuard};

type Tickets = BTreeMap<String, Block>;

#[cfg(not(loom))]
static TICKETS: Mutex<Tickets> = Mutex::new(BTreeMap::new());
#[cfg(loom)]
loom::lazy_static! {
    static ref TICKETS: Mutex<Tickets> = Mutex::new(BTreeMap::new());
}

/// Keeps a block for whoever has the ticket, in whichever thread. Returns it if another block waits for that ticket.
pub(crate) fn add(ticket: String, block: Block) -> Result<(), Block> {
    match lock().entry(ticket) {
        Entry::Vacant(vacant) => {
            vacant.insert(block);
            Ok(())
        }
        Entry::Occupied(_) => Err(block),
    }
}

/// The block of a ticket, once.
pub(crate) fn take(ticket: &str) -> Option<Block> {
    lock().remove(ticket)
}

/// Whether a block waits for the ticket.
pub(crate) fn is_used(ticket: &str) -> bool {
    lock().contains_key(ticket)
}

pub(crate) fn count() -> u64 {
    lock().len() as u64
}

/// Whether `address` lies in a block that waits to be taken.
pub(crate) fn owns(address: usize) -> bool {
    lock().values().any(|block| block.contains(address))
}

/// Nothing panics while it holds the lock.
fn lock() -> MutexGuard<'static, Tickets> {
    TICKETS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_that_is_given_out_twice_keeps_its_first_block() {
        let [first, second] = [8, 16].map(|len| Block::malloc(len).unwrap());
        assert!(add(String::from("twice"), first).is_ok());
        let refused = add(String::from("twice"), second).expect_err("the ticket is out");
        assert_eq!(refused.len(), 16);
        assert_eq!(take("twice").map(|block| block.len()), Some(8));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::*;

    #[test]
    fn a_ticket_is_taken_once() {
        loom::model(|| {
            let block = Block::malloc(8).unwrap();
            assert!(add(String::from("ticket"), block).is_ok());
            let take = || take("ticket").is_some();
            let other = thread::spawn(take);
            let mine = take();
            assert!(other.join().unwrap() != mine);
        });
    }

    #[test]
    fn of_two_threads_with_one_ticket_one_keeps_its_block() {
        loom::model(|| {
            let add = |len| add(String::from("both"), Block::malloc(len).unwrap()).map_err(|block| block.len());
            let other = thread::spawn(move || add(16));
            let results = [add(8), other.join().unwrap()];
            let waits = take("both").map(|block| block.len());
            match results {
                [Ok(()), Err(refused)] => assert_eq!((refused, waits), (16, Some(8))),
                [Err(refused), Ok(())] => assert_eq!((refused, waits), (8, Some(16))),
                both => panic!("one is refused, not {both:?}"),
            }
        });
    }
}
