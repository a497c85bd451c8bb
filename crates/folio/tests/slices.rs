//! A `Mmap` and a `MmapMut` are slices: every slice call means on them what it means on a slice.
//!
//! In another library an owned `chunks` shadowed the slice's: `map.chunks(n)` still compiled in some programs and was five
//! times slower. The values are annotated with their types here, so that a method which takes a slice's name does not even
//! compile.

use folio::{Access, Mmap, MmapMut, View};
use rayon::prelude::*;
use std::borrow::{Borrow, BorrowMut};
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::ops::{Deref, DerefMut};
use std::slice;
use std::sync::Arc;

const LEN: usize = 100;

fn data() -> Vec<u8> {
    (0..100).collect()
}

fn map_mut() -> MmapMut {
    let mut map = MmapMut::map_anon(LEN).unwrap();
    map.copy_from_slice(&data());
    map
}

fn map() -> Mmap {
    map_mut().freeze()
}

/// The slice calls that read, on whatever `$map` is, which derefs to the bytes 0 to 99.
macro_rules! reading_calls {
    ($map:expr) => {{
        let map = $map;
        let data = data();

        let parts: (&[u8], &[u8]) = map.split_at(40);
        assert_eq!(parts, data.split_at(40));
        let parts: Option<(&[u8], &[u8])> = map.split_at_checked(101);
        assert_eq!(parts, None);
        let parts: Option<(&u8, &[u8])> = map.split_first();
        assert_eq!(parts, Some((&0, &data[1..])));
        let parts: Option<(&u8, &[u8])> = map.split_last();
        assert_eq!(parts, Some((&99, &data[..99])));
        let parts: Option<(&[u8; 4], &[u8])> = map.split_first_chunk::<4>();
        assert_eq!(parts, data.split_first_chunk::<4>());
        let parts: Option<(&[u8], &[u8; 4])> = map.split_last_chunk::<4>();
        assert_eq!(parts, data.split_last_chunk::<4>());
        let parts: slice::Split<'_, u8, _> = map.split(|&byte| byte == 50);
        assert_eq!(parts.map(<[u8]>::len).collect::<Vec<_>>(), [50, 49]);
        let parts: slice::SplitInclusive<'_, u8, _> = map.split_inclusive(|&byte| byte == 50);
        assert_eq!(parts.map(<[u8]>::len).collect::<Vec<_>>(), [51, 49]);
        let parts: slice::RSplit<'_, u8, _> = map.rsplit(|&byte| byte == 50);
        assert_eq!(parts.map(<[u8]>::len).collect::<Vec<_>>(), [49, 50]);
        let parts: slice::SplitN<'_, u8, _> = map.splitn(2, |&byte| byte % 10 == 0);
        assert_eq!(parts.count(), 2);
        let parts: slice::RSplitN<'_, u8, _> = map.rsplitn(2, |&byte| byte % 10 == 0);
        assert_eq!(parts.count(), 2);

        let pieces: slice::Chunks<'_, u8> = map.chunks(30);
        assert_eq!(pieces.map(<[u8]>::len).collect::<Vec<_>>(), [30, 30, 30, 10]);
        let pieces: slice::ChunksExact<'_, u8> = map.chunks_exact(30);
        assert_eq!((pieces.len(), pieces.remainder()), (3, &data[90..]));
        let pieces: slice::RChunks<'_, u8> = map.rchunks(30);
        assert_eq!(pieces.last(), Some(&data[..10]));
        let pieces: slice::RChunksExact<'_, u8> = map.rchunks_exact(30);
        assert_eq!(pieces.len(), 3);
        let pieces: slice::Windows<'_, u8> = map.windows(2);
        assert!(pieces.into_iter().all(|pair| pair[0] + 1 == pair[1]));
        let pieces: slice::ChunkBy<'_, u8, _> = map.chunk_by(|a, b| a / 10 == b / 10);
        assert_eq!(pieces.count(), 10);
        let (head, middle, tail): (&[u8], &[u8], &[u8]) = {
            // SAFETY: every byte is a `u8`.
            unsafe { map.align_to::<u8>() }
        };
        assert_eq!(head.len() + middle.len() + tail.len(), LEN);

        let bytes: slice::Iter<'_, u8> = map.iter();
        assert_eq!(bytes.copied().map(u32::from).sum::<u32>(), 4950);
        let mut sum = 0;
        for &byte in map.iter() {
            sum += u32::from(byte);
        }
        for byte in &map[..] {
            sum += u32::from(*byte);
        }
        assert_eq!(sum, 2 * 4950);

        let byte: Option<&u8> = map.first();
        assert_eq!(byte, Some(&0));
        let byte: Option<&u8> = map.last();
        assert_eq!(byte, Some(&99));
        let bytes: Option<&[u8; 8]> = map.first_chunk::<8>();
        assert_eq!(bytes.copied().map(u64::from_le_bytes), Some(0x0706_0504_0302_0100));
        let bytes: Option<&[u8; 101]> = map.last_chunk::<101>();
        assert_eq!(bytes, None);
        let byte: Option<&u8> = map.get(100);
        assert_eq!(byte, None);
        let bytes: Option<&[u8]> = map.get(98..);
        assert_eq!(bytes, Some(&[98, 99][..]));
        // SAFETY: the index is below the length.
        let byte: &u8 = unsafe { map.get_unchecked(7) };
        assert_eq!(*byte, 7);
        let byte: u8 = map[42];
        assert_eq!(byte, 42);
        let pieces: [&[u8]; 5] = [&map[..], &map[10..], &map[..90], &map[10..90], &map[10..=89]];
        assert_eq!(pieces.map(<[u8]>::len), [100, 90, 90, 80, 80]);

        let found: bool = map.contains(&42);
        assert!(found && map.starts_with(&[0, 1]) && map.ends_with(&[98, 99]));
        let rest: Option<&[u8]> = map.strip_prefix(&[0, 1]);
        assert_eq!(rest, Some(&data[2..]));
        let rest: Option<&[u8]> = map.strip_suffix(&[99]);
        assert_eq!(rest, Some(&data[..99]));
        let place: Result<usize, usize> = map.binary_search(&42);
        assert_eq!(place, Ok(42));
        assert_eq!(map.binary_search_by(|byte| byte.cmp(&43)), Ok(43));
        assert_eq!(map.binary_search_by_key(&88, |byte| byte * 2), Ok(44));
        assert_eq!(map.partition_point(|&byte| byte < 45), 45);
        assert!(map.is_sorted() && map.is_sorted_by(|a, b| a <= b) && map.is_sorted_by_key(|&byte| byte));
        assert!(map.is_ascii() && map.eq_ignore_ascii_case(&data));
        assert_eq!(map.trim_ascii_start().len() + map.trim_ascii_end().len() + map.trim_ascii().len(), 300);
        assert!(map.escape_ascii().to_string().contains("ABC"));
        assert_eq!(map.utf8_chunks().count(), 1);
        assert_eq!(map.as_ptr_range(), data_range(&map[..]));

        let owned: Vec<u8> = map.to_vec();
        assert_eq!(owned, data);
        let owned: Vec<u8> = map.repeat(2);
        assert_eq!(owned, [&map[..], &map[..]].concat());
        assert_eq!([&map[..2], &map[2..4]].join(&7), [0, 1, 7, 2, 3]);
        let owned: Vec<u8> = map.to_ascii_uppercase();
        assert_eq!(owned[usize::from(b'a')], b'A');
        assert_eq!(map.to_ascii_lowercase()[usize::from(b'A')], b'a');

        let len: usize = map.len();
        assert_eq!((len, map.is_empty()), (LEN, false));
        let ptr: *const u8 = map.as_ptr();
        assert_eq!(ptr, map[..].as_ptr());

        let pieces: rayon::slice::Chunks<'_, u8> = map.par_chunks(30);
        assert_eq!(pieces.map(<[u8]>::len).sum::<usize>(), LEN);
        let pieces: rayon::slice::ChunksExact<'_, u8> = map.par_chunks_exact(30);
        assert_eq!(pieces.len(), 3);
        let pieces: rayon::slice::Windows<'_, u8> = map.par_windows(2);
        assert_eq!(pieces.len(), 99);
        let pieces: rayon::slice::Split<'_, u8, _> = map.par_split(|&byte| byte == 50);
        assert_eq!(pieces.count(), 2);
        let bytes: rayon::slice::Iter<'_, u8> = map.par_iter();
        assert_eq!(bytes.map(|&byte| u32::from(byte)).sum::<u32>(), 4950);
    }};
}

/// The addresses of a slice, made without the method under test.
fn data_range(bytes: &[u8]) -> std::ops::Range<*const u8> {
    bytes.as_ptr()..bytes.as_ptr().wrapping_add(bytes.len())
}

/// The commonest use.
#[test]
fn calls_through_a_map_are_slice_calls() {
    reading_calls!(map());
}

/// Method lookup begins at the reference here, so a method by value is found later than one by reference.
#[test]
fn calls_through_a_reference_to_a_map_are_slice_calls() {
    let map = map();
    reading_calls!(&map);
}

/// A map shared by threads before there was `Clone`: two steps of `Deref`.
#[test]
fn calls_through_an_arc_of_a_map_are_slice_calls() {
    reading_calls!(Arc::new(map()));
}

/// The kind that can be written reads the same way.
#[test]
fn calls_through_a_mutable_map_are_slice_calls() {
    reading_calls!(map_mut());
}

/// The slice calls that write, each with the type that a slice gives.
#[test]
fn writing_calls_through_a_mutable_map_are_slice_calls() {
    let mut map = map_mut();

    let (head, tail): (&mut [u8], &mut [u8]) = map.split_at_mut(40);
    head.swap_with_slice(&mut tail[..40]);
    assert_eq!((map[0], map[40]), (40, 0));
    let parts: Option<(&mut [u8], &mut [u8])> = map.split_at_mut_checked(101);
    assert!(parts.is_none());
    let pieces: slice::ChunksMut<'_, u8> = map.chunks_mut(30);
    pieces.for_each(|piece| piece.fill(1));
    let pieces: slice::ChunksExactMut<'_, u8> = map.chunks_exact_mut(30);
    pieces.for_each(|piece| piece.fill(2));
    assert_eq!((map[89], map[90]), (2, 1));
    let pieces: slice::RChunksMut<'_, u8> = map.rchunks_mut(30);
    assert_eq!(pieces.len(), 4);
    let pieces: slice::RChunksExactMut<'_, u8> = map.rchunks_exact_mut(30);
    assert_eq!(pieces.len(), 3);
    let pieces: slice::ChunkByMut<'_, u8, _> = map.chunk_by_mut(|a, b| a == b);
    assert_eq!(pieces.count(), 2);
    let bytes: slice::IterMut<'_, u8> = map.iter_mut();
    for (value, byte) in (0..).zip(bytes) {
        *byte = value;
    }
    assert_eq!(map[..], data());

    *map.first_mut().unwrap() = 9;
    *map.last_mut().unwrap() = 9;
    *map.get_mut(1).unwrap() = 9;
    map.get_mut(2..4).unwrap().fill(9);
    map[4] = 9;
    map[5..7].copy_from_slice(&[9, 9]);
    *map.first_chunk_mut::<2>().unwrap() = [8, 8];
    *map.last_chunk_mut::<2>().unwrap() = [8, 8];
    assert_eq!((&map[..8], &map[97..]), (&[8, 8, 9, 9, 9, 9, 9, 7][..], &[97, 8, 8][..]));
    assert!(map.split_first_mut().is_some() && map.split_last_mut().is_some());
    assert!(map.split_first_chunk_mut::<2>().is_some() && map.split_last_chunk_mut::<2>().is_some());
    assert_eq!(map.split_mut(|&byte| byte == 50).count(), 2);
    assert_eq!(map.split_inclusive_mut(|&byte| byte == 50).count(), 2);
    assert_eq!(map.rsplit_mut(|&byte| byte == 50).count(), 2);
    assert_eq!(map.splitn_mut(2, |&byte| byte == 50).count(), 2);
    assert_eq!(map.rsplitn_mut(2, |&byte| byte == 50).count(), 2);

    map.copy_from_slice(&data());
    map.clone_from_slice(&data());
    map.copy_within(0..10, 90);
    assert_eq!(map[90..], data()[..10]);
    map.swap(0, 99);
    map.reverse();
    map.rotate_left(1);
    map.rotate_right(1);
    assert_eq!((map[0], map[99]), (0, 9));
    map.sort();
    map.sort_unstable_by(|a, b| b.cmp(a));
    map.sort_by_key(|&byte| byte);
    map.sort_by(Ord::cmp);
    map.sort_by_cached_key(|&byte| byte);
    map.sort_unstable();
    map.sort_unstable_by_key(|&byte| byte);
    assert!(map.is_sorted());
    let (_, middle, _): (&mut [u8], &mut u8, &mut [u8]) = map.select_nth_unstable(99);
    assert_eq!(*middle, 89);
    map.fill(b'a');
    map.make_ascii_uppercase();
    assert_eq!(map[..], [b'A'; LEN]);
    map.make_ascii_lowercase();
    map.fill_with(|| 3);

    let ptr: *mut u8 = map.as_mut_ptr();
    assert_eq!(ptr, map[..].as_mut_ptr());
    let range = map.as_mut_ptr_range();
    assert_eq!(range.start, ptr);

    let pieces: rayon::slice::ChunksMut<'_, u8> = map.par_chunks_mut(7);
    pieces.for_each(|piece| piece.fill(4));
    let pieces: rayon::slice::ChunksExactMut<'_, u8> = map.par_chunks_exact_mut(7);
    assert_eq!(pieces.len(), 14);
    let bytes: rayon::slice::IterMut<'_, u8> = map.par_iter_mut();
    bytes.for_each(|byte| *byte += 1);
    assert_eq!(map[..], [5; LEN]);
    map.par_sort_unstable();
}

/// Generic code that takes anything made of bytes takes a map, and by the same bounds as a `Vec<u8>`.
#[test]
fn generic_code_over_bytes_takes_maps() {
    fn by_as_ref<T: AsRef<[u8]>>(bytes: T) -> usize {
        bytes.as_ref().len()
    }
    fn by_borrow<T: Borrow<[u8]>>(bytes: &T) -> u8 {
        bytes.borrow()[42]
    }
    fn by_deref<T: Deref<Target = [u8]>>(bytes: &T) -> Option<&u8> {
        bytes.first()
    }
    fn by_mut<T: AsMut<[u8]> + BorrowMut<[u8]> + DerefMut<Target = [u8]>>(bytes: &mut T) {
        bytes.as_mut()[0] = 1;
        let borrowed: &mut [u8] = bytes.borrow_mut();
        borrowed[1] = 1;
        bytes[2] = 1;
    }
    let (mut map_mut, map) = (map_mut(), map());
    assert_eq!((by_as_ref(&map), by_as_ref(&map_mut), by_as_ref(&Arc::new(map.clone())[..])), (LEN, LEN, LEN));
    assert_eq!((by_borrow(&map), by_borrow(&map_mut)), (42, 42));
    assert_eq!((by_deref(&map), by_deref(&map_mut)), (Some(&0), Some(&0)));
    by_mut(&mut map_mut);
    assert_eq!(map_mut[..4], [1, 1, 1, 3]);
    // A slice of a map is a `Read` and a `BufRead`, and a key.
    let mut first = [0; 2];
    (&map[..]).read_exact(&mut first).unwrap();
    assert_eq!(first, [0, 1]);
    assert_eq!((&map[..]).lines().count(), 2);
    let mut counts: HashMap<&[u8], u32> = HashMap::new();
    map.chunks(10).chain(map.chunks(10)).for_each(|key| *counts.entry(key).or_default() += 1);
    assert_eq!((counts.len(), counts[&map[..10]]), (10, 2));
}

/// An empty map is an empty slice: made of an address that is not null, as slices must be.
#[test]
fn empty_maps_are_empty_slices() {
    let mut map = MmapMut::map_anon(0).unwrap();
    assert_eq!(map[..], []);
    map.fill(1);
    assert_eq!(map.iter_mut().count(), 0);
    let map = map.freeze();
    assert_eq!((map.chunks(4).count(), map.first(), map.iter().next()), (0, None, None));
    assert_eq!(map.par_chunks(4).count(), 0);
}

/// What a name means when no method of the view has it.
struct Free;

/// Declares a trait with functions of these names for all views, and takes each by its path. A path to an inherent method
/// wins over one to a trait's, whatever its receiver is; so a view that has a method of such a name does not compile here.
macro_rules! names_that_are_free {
    ($($name:ident)*) => {
        trait Names {
            $( fn $name() -> Free { Free } )*
        }
        impl<A: Access> Names for View<A> {}
        const FREE: &[fn() -> Free] = &[$( Mmap::$name, MmapMut::$name ),*];
    };
}

// All methods of `[T]` and `[u8]` in Rust 1.95, unstable ones too, but:
// - `len`, `is_empty`, `as_ptr`, `as_mut_ptr`, which the views have and which mean the same;
// - `split_off`, which takes the slice by `&mut &[T]` and so is never found through a view; the views have the method of that
//   name which `Vec` and `Bytes` have.
// And those of rayon's traits for slices.
names_that_are_free! {
    align_to align_to_mut array_windows as_array as_ascii as_ascii_unchecked as_bytes as_chunks as_chunks_mut
    as_chunks_unchecked as_chunks_unchecked_mut as_flattened as_flattened_mut as_mut_array as_mut_ptr_range
    as_ptr_range as_rchunks as_rchunks_mut as_simd as_simd_mut as_str
    binary_search binary_search_by binary_search_by_key chunk_by chunk_by_mut chunks chunks_exact chunks_exact_mut chunks_mut
    clone_from_slice concat connect contains copy_from_slice copy_within element_offset ends_with eq_ignore_ascii_case
    escape_ascii fill fill_with first first_chunk first_chunk_mut first_mut get get_disjoint_mut get_disjoint_unchecked_mut
    get_mut get_unchecked get_unchecked_mut into_array into_vec is_ascii is_sorted is_sorted_by is_sorted_by_key iter
    iter_mut join last last_chunk last_chunk_mut last_mut make_ascii_lowercase make_ascii_uppercase partial_sort_unstable
    partial_sort_unstable_by partial_sort_unstable_by_key partition_dedup partition_dedup_by partition_dedup_by_key
    partition_point rchunks rchunks_exact rchunks_exact_mut rchunks_mut repeat reverse rotate_left rotate_right rsplit
    rsplit_mut rsplit_once rsplitn rsplitn_mut select_nth_unstable select_nth_unstable_by select_nth_unstable_by_key
    shift_left shift_right sort sort_by sort_by_cached_key sort_by_key sort_floats sort_unstable sort_unstable_by
    sort_unstable_by_key split split_at split_at_checked split_at_mut split_at_mut_checked split_at_mut_unchecked
    split_at_unchecked split_first split_first_chunk split_first_chunk_mut split_first_mut split_inclusive
    split_inclusive_mut split_last split_last_chunk split_last_chunk_mut split_last_mut split_mut split_off_first
    split_off_first_mut split_off_last split_off_last_mut split_off_mut split_once splitn splitn_mut starts_with
    strip_circumfix strip_prefix strip_suffix subslice_range swap swap_unchecked swap_with_slice to_ascii_lowercase
    to_ascii_uppercase to_vec to_vec_in trim_ascii trim_ascii_end trim_ascii_start trim_prefix trim_suffix utf8_chunks
    windows

    as_parallel_slice as_parallel_slice_mut par_array_chunks par_array_windows par_chunk_by par_chunk_by_mut par_chunks
    par_chunks_exact par_chunks_exact_mut par_chunks_mut par_iter par_iter_mut par_rchunks par_rchunks_exact
    par_rchunks_exact_mut par_rchunks_mut par_sort par_sort_by par_sort_by_cached_key par_sort_by_key par_sort_unstable
    par_sort_unstable_by par_sort_unstable_by_key par_split par_split_inclusive par_split_inclusive_mut par_split_mut
    par_windows
}

/// The list above compiled; this says so by a name, and that the way of asking finds a name that is taken.
#[test]
fn no_method_of_the_views_has_the_name_of_a_slice_method() {
    assert!(FREE.len() > 2 * 160);
    assert!(FREE.iter().all(|name| matches!(name(), Free)));

    trait Taken {
        fn restrict() -> Free {
            Free
        }
    }
    impl<A: Access> Taken for View<A> {}
    // Would not compile if the path meant the trait's function.
    let _: fn(&mut Mmap, usize, usize) -> std::io::Result<()> = Mmap::restrict;
    let Free = <Mmap as Taken>::restrict();
}
