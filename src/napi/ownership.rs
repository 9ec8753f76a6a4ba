//! Who owns an address, in all threads of the process: asked by `consume` only.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, PoisonError};

use super::table::{Owned, Table};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, yield_now};
use crate::{Block, reclaim};

/// What is known of the process's blocks besides what the tables say.
pub(crate) struct Ownership {
    /// The tables of all environments.
    tables: Vec<Arc<Table>>,
    /// The blocks that outlived their slot: an `ArrayBuffer` still holds them.
    orphans: BTreeMap<usize, Orphan>,
    /// The blocks that were leaked, and their lengths.
    leaked: BTreeMap<usize, usize>,
    /// The blocks that were handed over and not taken yet, by ticket.
    tickets: BTreeMap<String, Block>,
    /// The addresses that are being consumed.
    claims: BTreeMap<usize, Claim>,
    /// What the counters of environments that are gone ended with.
    past: Totals,
}

/// A block that outlived its slot.
struct Orphan {
    len: usize,
    /// Whether it was freed while somebody may have been using its bytes.
    let_go: bool,
}

/// Blocks, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// How far a block is on its way to its new owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It is where it was: whoever wants it too is late.
    Claimed,
    /// It is being resized: at some moment of this C gives the old address away.
    Resizing,
}

/// Sums over environments.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) allocations: u64,
    pub(crate) explicit_frees: u64,
    pub(crate) collected_frees: u64,
    pub(crate) handed_over: u64,
    pub(crate) taken_over: u64,
}

#[cfg(not(loom))]
static OWNERSHIP: Mutex<Ownership> = Mutex::new(Ownership::new());
#[cfg(loom)]
loom::lazy_static! {
    static ref OWNERSHIP: Mutex<Ownership> = Mutex::new(Ownership::new());
}

/// Nothing panics while it holds the lock; and if it did, the maps would still be maps.
pub(crate) fn lock() -> MutexGuard<'static, Ownership> {
    OWNERSHIP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Claims an address, if nobody owns or claims it. Waits where another thread's resize is deciding that.
pub(crate) fn claim(address: usize) -> bool {
    loop {
        {
            let mut ownership = lock();
            match ownership.owns(address) {
                Owned::Yes => return false,
                Owned::No => return ownership.claims.insert(address, Claim::Claimed).is_none(),
                Owned::Unsettled => {}
            }
        }
        yield_now();
    }
}

/// Says that a claimed block is being resized from now on, until the claim is given up. Returns whether it was
/// claimed.
pub(crate) fn begin_resize(address: usize) -> bool {
    match lock().claims.get_mut(&address) {
        Some(claim @ Claim::Claimed) => {
            *claim = Claim::Resizing;
            true
        }
        _ => false,
    }
}

impl Ownership {
    const fn new() -> Self {
        Self {
            tables: Vec::new(),
            orphans: BTreeMap::new(),
            leaked: BTreeMap::new(),
            tickets: BTreeMap::new(),
            claims: BTreeMap::new(),
            past: Totals { allocations: 0, explicit_frees: 0, collected_frees: 0, handed_over: 0, taken_over: 0 },
        }
    }

    pub(crate) fn add_table(&mut self, table: &Arc<Table>) {
        self.tables.push(Arc::clone(table));
    }

    pub(crate) fn remove_table(&mut self, table: &Arc<Table>) {
        self.tables.retain(|other| !Arc::ptr_eq(other, table));
        self.past.add(table);
    }

    /// Notes a block that outlived its slot; `let_go` says that it was freed while somebody may be using its bytes.
    pub(crate) fn add_orphan(&mut self, start: usize, len: usize, let_go: bool) {
        self.orphans.insert(start, Orphan { len, let_go });
    }

    pub(crate) fn remove_orphan(&mut self, start: usize) {
        self.orphans.remove(&start);
    }

    pub(crate) fn add_leaked(&mut self, start: usize, len: usize) {
        self.leaked.insert(start, len);
    }

    /// Keeps a block for whoever has the ticket, in whichever thread, until it is taken or the process ends. Returns it
    /// if another block waits for that ticket.
    pub(crate) fn add_ticket(&mut self, ticket: String, block: Block) -> Result<(), Block> {
        match self.tickets.entry(ticket) {
            Entry::Vacant(vacant) => {
                vacant.insert(block);
                Ok(())
            }
            Entry::Occupied(_) => Err(block),
        }
    }

    /// The block of a ticket, once.
    pub(crate) fn take_ticket(&mut self, ticket: &str) -> Option<Block> {
        self.tickets.remove(ticket)
    }

    pub(crate) fn has_ticket(&self, ticket: &str) -> bool {
        self.tickets.contains_key(ticket)
    }

    pub(crate) fn tickets(&self) -> u64 {
        self.tickets.len() as u64
    }

    /// Whether `address` lies in a block that is owned by a slot, by an `ArrayBuffer`, by a pool that
    /// retains it, or by nobody any more.
    pub(crate) fn owns(&self, address: usize) -> Owned {
        match self.claims.get(&address) {
            Some(Claim::Claimed) => return Owned::Yes,
            Some(Claim::Resizing) => return Owned::Unsettled,
            None => {}
        }
        let in_ticket = self.tickets.values().any(|block| {
            let start = block.as_ptr().addr();
            address >= start && address - start < block.len()
        });
        let in_orphan = within(&self.orphans, address, |orphan| orphan.len);
        if in_ticket || in_orphan || within(&self.leaked, address, |len| *len) || reclaim::retains(address) {
            return Owned::Yes;
        }
        let mut answers = self.tables.iter().map(|table| table.owns(address));
        answers.find(|owned| *owned != Owned::No).unwrap_or(Owned::No)
    }

    /// Gives up a claim.
    pub(crate) fn unclaim(&mut self, address: usize) {
        self.claims.remove(&address);
    }

    /// The blocks that wait for the end of their `ArrayBuffer`.
    pub(crate) fn orphans(&self) -> Sum {
        Sum::of(self.orphans.values())
    }

    /// Those among them that were freed while somebody may have been using their bytes.
    pub(crate) fn let_go(&self) -> Sum {
        Sum::of(self.orphans.values().filter(|orphan| orphan.let_go))
    }

    /// Whether a block lives on without a handle that could free it.
    pub(crate) fn has_no_handle(&self, start: usize) -> bool {
        self.orphans.contains_key(&start) || self.leaked.contains_key(&start)
    }

    pub(crate) fn leaked(&self) -> u64 {
        self.leaked.len() as u64
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = self.past;
        for table in &self.tables {
            totals.add(table);
        }
        totals
    }
}

impl Sum {
    fn of<'a>(orphans: impl Iterator<Item = &'a Orphan>) -> Self {
        orphans
            .fold(Self::default(), |sum, orphan| Self { blocks: sum.blocks + 1, bytes: sum.bytes + orphan.len as u64 })
    }
}

impl Totals {
    fn add(&mut self, table: &Table) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.allocations += read(&table.counters.allocations);
        self.explicit_frees += read(&table.counters.explicit_frees);
        self.collected_frees += read(&table.counters.collected_frees);
        self.handed_over += read(&table.counters.handed_over);
        self.taken_over += read(&table.counters.taken_over);
    }
}

fn within<T>(blocks: &BTreeMap<usize, T>, address: usize, len_of: impl Fn(&T) -> usize) -> bool {
    blocks.range(..=address).next_back().is_some_and(|(start, block)| address - start < len_of(block))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_claimed_once() {
        assert!(claim(4096));
        assert!(!claim(4096));
        lock().unclaim(4096);
        assert!(!begin_resize(4096));
        assert!(claim(4096) && begin_resize(4096) && !begin_resize(4096));
        lock().unclaim(4096);
    }

    #[test]
    fn the_inside_of_an_orphan_is_owned() {
        lock().add_orphan(1 << 40, 100, false);
        assert_eq!([1 << 40, (1 << 40) + 99].map(|address| lock().owns(address)), [Owned::Yes; 2]);
        assert_eq!([(1 << 40) + 100, (1 << 40) - 1].map(|address| lock().owns(address)), [Owned::No; 2]);
        lock().remove_orphan(1 << 40);
        assert_eq!(lock().owns(1 << 40), Owned::No);
    }

    #[test]
    fn a_ticket_that_is_given_out_twice_keeps_its_first_block() {
        let blocks = [8, 16].map(|len| Block::malloc(len).unwrap());
        let [first, second] = blocks;
        assert!(lock().add_ticket(String::from("twice"), first).is_ok());
        let refused = lock().add_ticket(String::from("twice"), second).expect_err("the ticket is out");
        assert_eq!(refused.len(), 16);
        assert_eq!(lock().take_ticket("twice").map(|block| block.len()), Some(8));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::super::table::Owner;
    use super::*;

    #[test]
    fn an_address_that_two_threads_consume_is_one_ones() {
        loom::model(|| {
            let block = Block::malloc(8).unwrap();
            let address = block.as_ptr().addr();
            let owner = Owner::new(0);
            lock().add_table(owner.table());
            let other = thread::spawn(move || claim(address));
            // As `consume` does: the claim is kept until the table says who owns the block.
            let mine = claim(address);
            if mine {
                assert!(begin_resize(address));
                owner.place(owner.occupy().unwrap()).put(block);
                lock().unclaim(address);
            }
            assert!(other.join().unwrap() != mine);
            assert_eq!(lock().owns(address), Owned::Yes);
            if mine {
                drop(owner.place(0).take());
            }
            lock().remove_table(owner.table());
        });
    }

    #[test]
    fn a_ticket_is_taken_once() {
        loom::model(|| {
            let block = Block::malloc(8).unwrap();
            assert!(lock().add_ticket(String::from("ticket"), block).is_ok());
            let take = || lock().take_ticket("ticket").is_some();
            let other = thread::spawn(take);
            let mine = take();
            assert!(other.join().unwrap() != mine);
        });
    }

    #[test]
    fn of_two_threads_with_one_ticket_one_keeps_its_block() {
        loom::model(|| {
            let add =
                |len| lock().add_ticket(String::from("both"), Block::malloc(len).unwrap()).map_err(|block| block.len());
            let other = thread::spawn(move || add(16));
            let results = [add(8), other.join().unwrap()];
            let waits = lock().take_ticket("both").map(|block| block.len());
            match results {
                [Ok(()), Err(refused)] => assert_eq!((refused, waits), (16, Some(8))),
                [Err(refused), Ok(())] => assert_eq!((refused, waits), (8, Some(16))),
                both => panic!("one is refused, not {both:?}"),
            }
        });
    }
}
