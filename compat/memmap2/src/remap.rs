//! Options of `remap`.

#![forbid(unsafe_code)]

/// How a map may get another length ([`Mmap::remap`](crate::Mmap::remap), [`MmapMut::remap`](crate::MmapMut::remap),
/// [`MmapRaw::remap`](crate::MmapRaw::remap)).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemapOptions {
    may_move: bool,
}

impl RemapOptions {
    /// Not moving.
    pub fn new() -> Self {
        RemapOptions::default()
    }

    /// Whether the map may go to another address if there is no room behind it.
    ///
    /// With the feature `stable_deref_trait`: whoever relies on the bytes to stay where they are must hold no address across a
    /// move.
    pub fn may_move(mut self, may_move: bool) -> Self {
        self.may_move = may_move;
        self
    }

    pub(crate) fn moves(self) -> bool {
        self.may_move
    }
}
