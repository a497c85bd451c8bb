//! The table by itself: what an entry points to is alive whenever the handler sees it.

use crate::lent::table::{Last, Table};
use crate::world::explore;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

/// A value that is alive or gone. The checker reports a look at it while it is being taken away.
struct Value(UnsafeCell<bool>);

// SAFETY: the checker watches the cell, and fails the test if two threads use it at once.
unsafe impl Sync for Value {}

impl Value {
    fn alive() -> Value {
        Value(UnsafeCell::new(true))
    }

    fn assert_alive(&self) {
        // SAFETY: the checker fails the test if somebody writes meanwhile.
        self.0.with(|alive| assert!(unsafe { *alive }, "the handler was led to a value that is gone"));
    }

    fn take_away(&self) {
        // SAFETY: the checker fails the test if somebody reads meanwhile.
        self.0.with_mut(|alive| unsafe { *alive = false });
    }
}

/// Publishes a value for a range, and takes it away again.
fn own(table: &Table<Value>, begin: usize, last: &Last<Value>) {
    // The memory stays, so that a handler that is led to a value that is gone finds it so.
    let value: &Value = Box::leak(Box::new(Value::alive()));
    // SAFETY: the value lives for ever.
    let published = unsafe { table.publish(begin, begin + 10, value, last) };
    assert!(table.in_use(begin + 9, begin + 20));
    let found = table.find(begin, |value| {
        value.assert_alive();
        Some(())
    });
    assert!(found.is_some(), "its own entry is found");
    published.withdraw();
    value.take_away();
}

fn look(table: &Table<Value>, address: usize) {
    table.find(address, |value| {
        value.assert_alive();
        None::<()>
    });
}

#[test]
fn a_handler_meets_an_owner() {
    explore(4, || {
        let table = Arc::new(Table::new());
        let handler = thread::spawn({
            let table = Arc::clone(&table);
            move || look(&table, 105)
        });
        own(&table, 100, &Last::new(None));
        handler.join().unwrap();
    });
}

/// Entries are used again, for another range and another value.
#[test]
fn a_handler_meets_an_entry_that_is_used_again() {
    explore(3, || {
        let table = Arc::new(Table::new());
        let handler = thread::spawn({
            let table = Arc::clone(&table);
            move || {
                look(&table, 105);
                look(&table, 205);
            }
        });
        let last = Last::new(None);
        own(&table, 100, &last);
        own(&table, 200, &last);
        own(&table, 100, &Last::new(None));
        handler.join().unwrap();
    });
}

#[test]
fn two_owners_and_a_handler() {
    explore(2, || {
        let table = Arc::new(Table::new());
        let threads = [100, 200].map(|begin| {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                own(&table, begin, &Last::new(None));
                look(&table, 105);
            })
        });
        own(&table, 100, &Last::new(None));
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!table.in_use(0, 1000), "an entry was left");
    });
}
