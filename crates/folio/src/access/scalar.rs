//! The numbers that can be loaded and stored.

#![forbid(unsafe_code)]

/// A primitive number: what [`View::load`](crate::View::load) and [`View::store`](crate::View::store) take.
///
/// Sealed; implemented for `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `f32` and `f64`. Every pattern of bytes is a
/// value of each of them. The order of the bytes is the machine's; for another one, use the number's own
/// `from_be`, `to_le` and the like.
pub trait Scalar: sealed::Sealed + Copy + Send + Sync + 'static {}

/// An array of the bytes of a number.
pub trait Bytes: AsRef<[u8]> + AsMut<[u8]> {
    /// All zeros.
    const ZERO: Self;
}

impl<const N: usize> Bytes for [u8; N] {
    const ZERO: Self = [0; N];
}

mod sealed {
    pub trait Sealed {
        type Bytes: super::Bytes;
        fn from_bytes(bytes: Self::Bytes) -> Self;
        fn into_bytes(self) -> Self::Bytes;
    }
}

macro_rules! scalars {
    ($($number:ty),*) => {$(
        impl Scalar for $number {}
        impl sealed::Sealed for $number {
            type Bytes = [u8; size_of::<$number>()];
            fn from_bytes(bytes: Self::Bytes) -> Self {
                <$number>::from_ne_bytes(bytes)
            }
            fn into_bytes(self) -> Self::Bytes {
                self.to_ne_bytes()
            }
        }
    )*};
}

scalars!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
