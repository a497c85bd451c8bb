//! The integers that a checked access moves at once.

/// An unsigned integer of 1, 2, 4 or 8 bytes.
///
/// # Safety
///
/// Any bytes of that size are a value.
pub unsafe trait Word: Copy + Default + 'static {
    /// The size in bytes.
    const WIDTH: usize = size_of::<Self>();

    /// The value, extended by zeros.
    fn widen(self) -> u64;

    /// The low bytes of `wide`.
    fn narrow(wide: u64) -> Self;
}

macro_rules! words {
    ($($word:ty)+) => {$(
        // SAFETY: an integer has no invalid bytes.
        unsafe impl Word for $word {
            #[inline]
            fn widen(self) -> u64 {
                self.into()
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "the point of it")]
            fn narrow(wide: u64) -> Self {
                wide as $word
            }
        }
    )+};
}

words! { u8 u16 u32 u64 }

/// A word that the atomic operations exist for.
pub trait AtomicWord: Word {}

impl AtomicWord for u32 {}
impl AtomicWord for u64 {}
