//! What only some systems have: memory with seals, secret memory, mappings that are final, pages that core dumps leave out.
//! Where a system lacks one of them its function gives [`Unsupported`](std::io::ErrorKind::Unsupported). The arguments are as
//! in the [contract](super): ranges of whole pages of one mapping, checked above.
//!
//! | name | Linux, Android | FreeBSD | elsewhere |
//! |---|---|---|---|
//! | [`memory_file`] | `memfd_create` | `memfd_create` | no |
//! | [`check_sealable`], [`seal`] | `F_GET_SEALS`, `F_ADD_SEALS` | the same | no |
//! | [`map_file_over`] | `mmap`, `mremap` | `mmap(MAP_FIXED)` | no |
//! | [`secret_file`] | `memfd_secret` | no | no |
//! | [`leave_out_of_dumps`] | `MADV_DONTDUMP` | `MADV_NOCORE` | no |
//! | [`mseal`] | `mseal` | no | no |
//!
//! Nor has the heap any of it: `--cfg folio_heap` takes what is elsewhere.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(folio_heap)))]
mod linux;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(folio_heap)))]
use linux as extras;

#[cfg(all(target_os = "freebsd", not(folio_heap)))]
mod freebsd;
#[cfg(all(target_os = "freebsd", not(folio_heap)))]
use freebsd as extras;

#[cfg(any(folio_heap, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
mod none;
#[cfg(any(folio_heap, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
use none as extras;

#[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(folio_heap)))]
mod seals;

pub(crate) use extras::{leave_out_of_dumps, map_file_over, mseal, secret_file};
#[cfg(all(folio_heap, any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) use none::is_sealed;
#[cfg(all(unix, any(folio_heap, not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))))]
pub(crate) use none::memory_file;
#[cfg(any(folio_heap, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
pub(crate) use none::{check_sealable, seal};
#[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(folio_heap)))]
pub(crate) use seals::{check_sealable, is_sealed, memory_file, seal};

/// The error of what this system has no call for.
#[cfg_attr(
    all(any(target_os = "linux", target_os = "android"), not(folio_heap)),
    expect(dead_code, reason = "Linux has all of them")
)]
fn lacks(what: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, what)
}
