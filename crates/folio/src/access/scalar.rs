//! The numbers that can be loaded and stored.

use crate::fault::{self, Short, Stop, Tried};

/// A primitive number: what [`View::load`](crate::View::load) and [`View::store`](crate::View::store) take.
///
/// Sealed; implemented for `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `f32` and `f64`. Every pattern of bytes is a
/// value of each of them. The order of the bytes is the machine's; for another one, use the number's own
/// `from_be`, `to_le` and the like.
pub trait Scalar: sealed::Sealed + Copy + Send + Sync + 'static {}

/// A number that the atomic accesses of [`MmapViewSync`](crate::MmapViewSync) take: `u32` and `u64`. Sealed.
pub trait AtomicScalar: Scalar + Eq + sealed::Atomic {}

impl AtomicScalar for u32 {}
impl AtomicScalar for u64 {}

pub(super) mod sealed {
    use super::{Short, Stop, Tried};
    use crate::fault::AtomicWord;

    pub trait Sealed: Sized + Copy {
        /// Loads the number `offset` bytes behind `base`.
        ///
        /// # Safety
        ///
        /// As [`crate::fault::try_read`], for the bytes of the number.
        unsafe fn try_load(base: *const u8, offset: usize) -> Result<Tried<Self>, Short>;

        /// # Safety
        ///
        /// As [`try_load`](Self::try_load), which fell short.
        unsafe fn load_on(src: *const u8, short: Short) -> Result<Self, Stop>;

        /// # Safety
        ///
        /// As [`try_load`](Self::try_load).
        unsafe fn load(src: *const u8) -> Result<Self, Stop> {
            // SAFETY: the same obligations, passed on.
            unsafe { Self::try_load(src, 0) }.map(Tried::given).or_else(|short| {
                // SAFETY: the same obligations, passed on.
                unsafe { Self::load_on(src, short) }
            })
        }

        /// # Safety
        ///
        /// As [`crate::fault::try_write`], for the bytes of the number.
        unsafe fn try_store(self, dst: *mut u8) -> Result<Tried<()>, Short>;

        /// # Safety
        ///
        /// As [`try_store`](Self::try_store), which fell short.
        unsafe fn store_on(self, dst: *mut u8, short: Short) -> Result<(), Stop>;

        /// # Safety
        ///
        /// As [`try_store`](Self::try_store).
        unsafe fn store(self, dst: *mut u8) -> Result<(), Stop> {
            // SAFETY: the same obligations, passed on.
            unsafe { self.try_store(dst) }.map(Tried::given).or_else(|short| {
                // SAFETY: the same obligations, passed on.
                unsafe { self.store_on(dst, short) }
            })
        }
    }

    pub trait Atomic: AtomicWord {}
    impl Atomic for u32 {}
    impl Atomic for u64 {}
}

/// Numbers of the size of a word, which is moved at once.
macro_rules! words {
    ($($number:ty as $word:ty),*) => {$(
        impl Scalar for $number {}
        impl sealed::Sealed for $number {
            #[inline]
            unsafe fn try_load(base: *const u8, offset: usize) -> Result<Tried<Self>, Short> {
                // SAFETY: the same obligations, passed on.
                let word = unsafe { fault::try_load::<$word>(base, offset) }?;
                Ok(word.map(|word| <$number>::from_ne_bytes(word.to_ne_bytes())))
            }
            unsafe fn load_on(src: *const u8, short: Short) -> Result<Self, Stop> {
                // SAFETY: the same obligations, passed on.
                let word = unsafe { fault::load_on::<$word>(src, short) }?;
                Ok(<$number>::from_ne_bytes(word.to_ne_bytes()))
            }
            #[inline]
            unsafe fn try_store(self, dst: *mut u8) -> Result<Tried<()>, Short> {
                // SAFETY: the same obligations, passed on.
                unsafe { fault::try_store(dst, <$word>::from_ne_bytes(self.to_ne_bytes())) }
            }
            unsafe fn store_on(self, dst: *mut u8, short: Short) -> Result<(), Stop> {
                // SAFETY: the same obligations, passed on.
                unsafe { fault::store_on(dst, <$word>::from_ne_bytes(self.to_ne_bytes()), short) }
            }
        }
    )*};
}

words!(u8 as u8, i8 as u8, u16 as u16, i16 as u16, u32 as u32, i32 as u32, f32 as u32);
words!(u64 as u64, i64 as u64, f64 as u64);
#[cfg(target_pointer_width = "32")]
words!(usize as u32, isize as u32);
#[cfg(target_pointer_width = "64")]
words!(usize as u64, isize as u64);

/// Numbers that are wider than a word, which are copied.
macro_rules! wide {
    ($($number:ty),*) => {$(
        impl Scalar for $number {}
        impl sealed::Sealed for $number {
            #[inline]
            unsafe fn try_load(base: *const u8, offset: usize) -> Result<Tried<Self>, Short> {
                let mut bytes = [0; size_of::<Self>()];
                // SAFETY: passed on; the array is ours and as long as the number.
                let tried = unsafe { fault::try_read(base.wrapping_add(offset), bytes.as_mut_ptr(), bytes.len()) }?;
                Ok(tried.map(|()| Self::from_ne_bytes(bytes)))
            }
            unsafe fn load_on(src: *const u8, short: Short) -> Result<Self, Stop> {
                let mut bytes = [0; size_of::<Self>()];
                // If there is an answer, it has been read as a whole: what the attempt had copied is gone.
                // SAFETY: passed on; the array is ours and as long as the number.
                unsafe { fault::read_on(src, bytes.as_mut_ptr(), bytes.len(), short) }?;
                Ok(Self::from_ne_bytes(bytes))
            }
            #[inline]
            unsafe fn try_store(self, dst: *mut u8) -> Result<Tried<()>, Short> {
                let bytes = self.to_ne_bytes();
                // SAFETY: passed on; the array is ours and as long as the number.
                unsafe { fault::try_write(dst, bytes.as_ptr(), bytes.len()) }
            }
            unsafe fn store_on(self, dst: *mut u8, short: Short) -> Result<(), Stop> {
                let bytes = self.to_ne_bytes();
                // SAFETY: passed on; the array is ours and as long as the number.
                unsafe { fault::write_on(dst, bytes.as_ptr(), bytes.len(), short) }
            }
        }
    )*};
}

wide!(u128, i128);
