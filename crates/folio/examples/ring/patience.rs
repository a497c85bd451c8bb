//! Waiting for the other side, where there is nobody to be woken by.

use std::hint;
use std::thread;
use std::time::Duration;

/// How long to wait: not at all at first, then a little, then a little longer.
#[derive(Default)]
pub(crate) struct Patience(u32);

impl Patience {
    /// Waits. `true` if it has taken so long that one should look whether the other side is still there.
    pub(crate) fn wait(&mut self) -> bool {
        match self.0 {
            0..100 => hint::spin_loop(),
            100..200 => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(50)),
        }
        self.0 = self.0.saturating_add(1);
        self.0 > 200
    }
}
