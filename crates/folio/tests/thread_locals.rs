//! A program whose thread-local variables take most of what the flushing thread asks for as its stack.

#![cfg(unix)]

use folio::{MmapMut, MmapOptions};
use std::cell::Cell;
use std::hint::black_box;

const LEN: usize = 1 << 20;

thread_local! {
    static LARGE: Cell<[u8; 57_500]> = const { Cell::new([0; 57_500]) };
}

fn written() -> MmapMut {
    let file = tempfile::tempfile().unwrap();
    file.set_len(LEN as u64).unwrap();
    // SAFETY: nobody else has the file.
    let mut map = unsafe { MmapOptions::new().map_mut(&file) }.unwrap();
    map.fill(1);
    map
}

/// glibc lays these variables on the stack, and was content to leave the thread less than a page, which it overran.
#[test]
fn large_thread_locals_leave_room_for_a_flush_in_the_background() {
    LARGE.with(|large| black_box(large).set([1; 57_500]));
    let (last, next) = (written(), written());
    last.flush_async().unwrap();
    // The thread is the last to have it, and unmaps it.
    drop(last);
    next.flush_async().unwrap();
    // Waits for the thread.
    next.unmap().unwrap();
}
