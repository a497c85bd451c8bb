//! Two defects that the sanitizers must report, so that their silence about everything else means something.
//!
//! Nothing is compiled here without `--cfg folio_deliberate=".."`, which `cargo xtask sanitize` gives.

#[cfg(folio_deliberate = "race")]
#[test]
fn a_data_race_through_two_views_of_the_same_bytes() {
    use folio::MmapViewSync;
    use std::hint::black_box;
    use std::sync::Barrier;
    use std::thread;

    const ROUNDS: u32 = 1_000_000;

    let mut first = MmapViewSync::anonymous(4096).unwrap();
    // SAFETY: none; the two views overlap, and both are written through plain slices below.
    let mut second = unsafe { first.clone() };
    let together = Barrier::new(2);
    thread::scope(|scope| {
        for view in [&mut first, &mut second] {
            scope.spawn(|| {
                // SAFETY: none, as above: this is the defect.
                let bytes = unsafe { view.as_mut_slice() };
                together.wait();
                for _ in 0..ROUNDS {
                    bytes[0] = black_box(bytes[0].wrapping_add(1));
                }
            });
        }
    });
}

#[cfg(folio_deliberate = "overflow")]
#[test]
fn a_checked_copy_that_is_told_of_more_room_than_there_is() {
    use folio::{MmapViewSync, fault};
    use std::slice;

    // Nobody watches what is written in assembly. The kernel's copies end in a plain copy of the library's own.
    fault::use_kernel_copies().unwrap();
    let view = MmapViewSync::anonymous(4096).unwrap();
    let mut room = vec![0u8; 64].into_boxed_slice();
    // SAFETY: none; the slice is one byte longer than what it points to, which is the defect.
    let more = unsafe { slice::from_raw_parts_mut(room.as_mut_ptr(), room.len() + 1) };
    // The library copies into what it was given. The report shows that the library itself is watched.
    view.read_exact_at(more, 0).unwrap();
}
