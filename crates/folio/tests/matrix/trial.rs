//! One cell: the access, and what it has to answer.

use crate::cells::{Call, Cell, Kind, Place, Way};
use crate::place;
use crate::stage::{self, Scene};
use folio::{Fault, MmapOptions, MmapViewSync, fault};
use std::fmt::Debug;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::{hint, thread};

type Verdict = Result<(), String>;

/// Runs a cell in this process. `Err` says what was not as it has to be.
#[cfg(unix)]
pub(crate) fn run(cell: &Cell, directory: &Path) -> Verdict {
    let Some(trial) = Trial::new(cell, directory)? else { return Ok(()) };
    stage::lose(&[trial.staged()]);
    trial.conclude()
}

/// A cell whose file is mapped and has all its pages. Without any checked access: the first one is the cell's.
pub(crate) struct Trial {
    cell: Cell,
    view: MmapViewSync,
    scene: Scene,
}

impl Trial {
    /// Maps the file. `None` if that was refused, as the cell wants it.
    pub(crate) fn new(cell: &Cell, directory: &Path) -> Result<Option<Trial>, String> {
        if cell.way == Way::KernelCopies {
            fault::use_kernel_copies().map_err(|error| error.to_string())?;
        }
        let scene = Scene::new(cell, directory);
        let mut options = MmapOptions::new();
        if cell.call == Call::ZeroFill {
            // SAFETY: the cell reads bytes one by one, and relies on nothing about them.
            unsafe { options.zero_fill_on_fault() };
        }
        let mapped = scene.map(&mut options);
        if cell.call == Call::ZeroFill {
            if let Some((kind, _)) = cell.refusal() {
                return refused(mapped, kind).map(|()| None);
            }
        }
        let mut view = mapped.map_err(|error| error.to_string())?;
        scene.prime(&mut view);
        Ok(Some(Trial { cell: *cell, view, scene }))
    }

    /// What loses the pages.
    pub(crate) fn staged(&self) -> (&Scene, &MmapViewSync) {
        (&self.scene, &self.view)
    }

    /// Makes the access when the pages are lost.
    pub(crate) fn conclude(self) -> Verdict {
        let Trial { cell, mut view, scene } = self;
        if cell.place == Place::Blocked && cell.call == Call::WithSlice {
            // Another thread has lent this mapping before, so that this one's signals are all that is left to prepare.
            // SAFETY: nobody writes the file.
            drop(unsafe { view.with_slice(<[u8]>::is_empty) });
        }
        let verdict = on(cell.place, || match cell.refusal() {
            Some((kind, _)) => refused(attempt(cell.call, &mut view), kind),
            None => survived(&cell, &mut view, &scene),
        });
        let used_handler = fault::is_installed();
        verdict?;
        ensure(cell.way == Way::Routines || !used_handler, "kernel copies have installed a handler")
    }
}

/// What comes before the access of a cell, without it.
pub(crate) fn prepare(cell: &Cell, directory: &Path) -> Result<(MmapViewSync, Scene), String> {
    let scene = Scene::new(cell, directory);
    let mut view = scene.map(&mut MmapOptions::new()).map_err(|error| error.to_string())?;
    scene.prime(&mut view);
    stage::lose(&[(&scene, &view)]);
    Ok((view, scene))
}

/// The control: reads the lost byte through a plain slice. It does not return.
pub(crate) fn touch_by_plain_slice(cell: &Cell, directory: &Path) -> Verdict {
    let (view, scene) = prepare(cell, directory)?;
    let seen = on(cell.place, || {
        // SAFETY: nobody writes the file.
        hint::black_box(unsafe { view.as_slice() })[scene.lost]
    });
    Err(format!("lived, and saw {seen}"))
}

fn ensure(condition: bool, what: &str) -> Verdict {
    if condition { Ok(()) } else { Err(what.to_owned()) }
}

fn fine<T>(result: io::Result<T>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// The result has to be a fault at this byte.
fn fault_at<T: Debug>(result: io::Result<T>, offset: usize, what: &str) -> Verdict {
    match result {
        Ok(value) => Err(format!("{what}: {value:?} and no fault")),
        Err(error) => match Fault::of(&error) {
            Some(fault) if fault.offset == offset => Ok(()),
            other => Err(format!("{what}: {error}, {other:?}, and not a fault at {offset}")),
        },
    }
}

fn refused<T: Debug>(result: io::Result<T>, kind: io::ErrorKind) -> Verdict {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => Err(format!("{other:?}, and not the refusal {kind:?}")),
    }
}

/// The calls that folio may refuse, on bytes that can be reached or not: the refusal comes first.
fn attempt(call: Call, view: &mut MmapViewSync) -> io::Result<()> {
    match call {
        Call::WriteAllAt => view.write_all_at(&[1], 0),
        Call::Store => view.store(0, 1u64),
        Call::LoadAcquire => view.load_acquire::<u64>(0).map(drop),
        Call::StoreRelease => view.store_release(0, 1u64),
        Call::CompareExchange => view.compare_exchange(0, 0u64, 1).map(drop),
        Call::FetchAdd => view.fetch_add(0, 1u64).map(drop),
        // SAFETY: it is refused; nobody else touches the bytes.
        Call::WithSliceMut => unsafe { view.with_slice_mut(|bytes| bytes[0] = 1) },
        Call::ReadExactAt | Call::Load | Call::Reader | Call::WithSlice | Call::ZeroFill => Ok(()),
    }
}

fn survived(cell: &Cell, view: &mut MmapViewSync, scene: &Scene) -> Verdict {
    match cell.call {
        Call::ReadExactAt => read_exact_at(view, scene),
        Call::WriteAllAt => write_all_at(view, scene),
        Call::Load => load(view, scene),
        Call::Store => store(view, scene),
        Call::LoadAcquire => load_acquire(view, scene),
        Call::StoreRelease => store_release(view, scene),
        Call::CompareExchange => compare_exchange(view, scene),
        Call::FetchAdd => fetch_add(view, scene),
        Call::Reader => reader(view, scene),
        Call::WithSlice => with_slice(view, scene),
        Call::WithSliceMut => with_slice_mut(view, scene),
        Call::ZeroFill => zero_fill(cell, view, scene),
    }
}

fn read_exact_at(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    let start = lost.saturating_sub(20);
    let reached = lost - start;
    let mut buf = [0xaa; 64];
    fault_at(view.read_exact_at(&mut buf, start), lost, "over the edge")?;
    ensure((0..reached).all(|at| buf[at] == scene.byte(start + at)), "the bytes before the fault are not copied")?;
    fault_at(view.read_exact_at(&mut buf, lost + 100), lost + 100, "behind the edge")?;
    fine(view.read_exact_at(&mut buf[..reached], start), "before the edge")?;
    ensure((0..reached).all(|at| buf[at] == scene.byte(start + at)), "wrong bytes before the edge")
}

fn write_all_at(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    let start = lost.saturating_sub(20);
    let mut buf = [0x5a; 64];
    fault_at(view.write_all_at(&buf, start), lost, "over the edge")?;
    fault_at(view.write_all_at(&buf, lost + 100), lost + 100, "behind the edge")?;
    buf.fill(0);
    fine(view.read_exact_at(&mut buf[..lost - start], start), "read again")?;
    ensure(buf[..lost - start].iter().all(|&byte| byte == 0x5a), "the bytes before the fault are not written")
}

fn load(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    fault_at(view.load::<u64>(lost), lost, "aligned")?;
    fault_at(view.load::<u8>(lost + 1), lost + 1, "a byte")?;
    if lost > 0 {
        fault_at(view.load::<u64>(lost - 3), lost, "over the edge")?;
        fault_at(view.load::<u128>(lost - 8), lost, "a wide one over the edge")?;
        ensure(fine(view.load::<u64>(lost - 8), "before the edge")? == scene.word(lost - 8), "wrong word")?;
    }
    Ok(())
}

fn store(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    fault_at(view.store(lost, 7u64), lost, "aligned")?;
    fault_at(view.store(lost + 1, 7u8), lost + 1, "a byte")?;
    if lost > 0 {
        fine(view.store(lost - 8, 0x0102_0304_0506_0708_u64), "before the edge")?;
        fault_at(view.store(lost - 3, u64::MAX), lost, "over the edge")?;
        let mut bytes = [0; 8];
        fine(view.read_exact_at(&mut bytes, lost - 8), "read again")?;
        let mut expected = 0x0102_0304_0506_0708_u64.to_ne_bytes();
        expected[5..].fill(0xff);
        ensure(bytes == expected, "the bytes before the fault, and no others, are stored")?;
    }
    Ok(())
}

fn load_acquire(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    fault_at(view.load_acquire::<u64>(lost), lost, "u64")?;
    fault_at(view.load_acquire::<u32>(lost + 4), lost + 4, "u32")?;
    if lost > 0 {
        ensure(fine(view.load_acquire::<u64>(lost - 8), "before")? == scene.word(lost - 8), "wrong word")?;
    }
    Ok(())
}

fn store_release(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    fault_at(view.store_release(lost, 7u64), lost, "u64")?;
    fault_at(view.store_release(lost + 4, 7u32), lost + 4, "u32")?;
    if lost > 0 {
        fine(view.store_release(lost - 8, 7u64), "before the edge")?;
        ensure(fine(view.load::<u64>(lost - 8), "read again")? == 7, "not stored")?;
    }
    Ok(())
}

fn compare_exchange(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    fault_at(view.compare_exchange(lost, 0u64, 7), lost, "u64")?;
    fault_at(view.compare_exchange(lost + 4, 0u32, 7), lost + 4, "u32")?;
    if lost > 0 {
        let was = fine(view.compare_exchange(lost - 8, scene.word(lost - 8), 7), "before the edge")?;
        ensure(was == Ok(scene.word(lost - 8)), "wrong word")?;
        ensure(fine(view.compare_exchange(lost - 8, 8u64, 9), "again")? == Err(7), "not exchanged")?;
    }
    Ok(())
}

fn fetch_add(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    fault_at(view.fetch_add(lost, 1u64), lost, "u64")?;
    fault_at(view.fetch_add(lost + 4, 1u32), lost + 4, "u32")?;
    if lost > 0 {
        let was = fine(view.fetch_add(lost - 8, 1u64), "before the edge")?;
        ensure(was == scene.word(lost - 8), "wrong word")?;
        ensure(fine(view.load::<u64>(lost - 8), "read again")? == was.wrapping_add(1), "not added once")?;
    }
    Ok(())
}

fn reader(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let start = scene.lost.saturating_sub(10);
    let mut reader = view.reader();
    fine(reader.seek(SeekFrom::Start(start as u64)), "seek")?;
    let mut bytes = Vec::new();
    fault_at(reader.read_to_end(&mut bytes), scene.lost, "to the end")?;
    ensure(bytes.len() == scene.lost - start, "not all bytes before the fault")?;
    ensure((start..).zip(&bytes).all(|(at, &byte)| byte == scene.byte(at)), "wrong bytes")?;
    ensure(reader.position() == scene.lost as u64, "the reader does not stand at the fault")
}

/// The part of a view that can be reached.
fn head_of(view: &MmapViewSync, scene: &Scene) -> Result<MmapViewSync, String> {
    // SAFETY: one of the two is used at a time.
    let mut head = unsafe { view.clone() };
    fine(head.restrict(0, scene.lost), "restrict")?;
    Ok(head)
}

fn with_slice(view: &MmapViewSync, scene: &Scene) -> Verdict {
    let head = head_of(view, scene)?;
    for _ in 0..2 {
        // SAFETY: nobody writes the file.
        let right = unsafe {
            head.with_slice(|bytes| {
                bytes.iter().enumerate().rev().step_by(37).all(|(at, &byte)| byte == scene.byte(at))
            })
        };
        ensure(fine(right, "the part that can be reached")?, "wrong bytes")?;
        // SAFETY: as in the call above.
        let sum =
            unsafe { view.with_slice(|bytes| bytes.iter().step_by(64).map(|&byte| u64::from(byte)).sum::<u64>()) };
        fault_at(sum, scene.lost, "all of it")?;
        ensure(view.fault().is_none(), "the page was not brought back")?;
        fault_at(view.load::<u8>(scene.lost), scene.lost, "checked access afterwards")?;
    }
    Ok(())
}

fn with_slice_mut(view: &mut MmapViewSync, scene: &Scene) -> Verdict {
    let mut head = head_of(view, scene)?;
    for round in 1..3 {
        // SAFETY: nobody else touches the bytes.
        fine(unsafe { head.with_slice_mut(|bytes| bytes.fill(round)) }, "the part that can be reached")?;
        // SAFETY: as in the call above.
        fault_at(unsafe { view.with_slice_mut(|bytes| bytes[scene.lost..].fill(9)) }, scene.lost, "all of it")?;
        ensure(view.fault().is_none(), "the page was not brought back")?;
        fault_at(view.load::<u8>(scene.lost), scene.lost, "checked access afterwards")?;
        if scene.lost > 0 {
            ensure(fine(view.load::<u8>(scene.lost - 1), "read again")? == round, "not written")?;
        }
    }
    Ok(())
}

fn zero_fill(cell: &Cell, view: &mut MmapViewSync, scene: &Scene) -> Verdict {
    let lost = scene.lost;
    if cell.place == Place::Blocked {
        // A plain slice prepares no thread; the page of the option says so.
        fine(fault::prepare_thread(), "prepare_thread")?;
    }
    ensure(view.fault().is_none(), "a fault before the first")?;
    // SAFETY: nobody writes the file.
    let bytes = hint::black_box(unsafe { view.as_slice() });
    ensure(bytes[lost] == 0 && bytes[lost + 100] == 0, "no zeros")?;
    ensure(lost == 0 || bytes[lost - 1] == scene.byte(lost - 1), "wrong byte before the edge")?;
    ensure(view.fault().map(|fault| fault.offset) == Some(lost), "not reported")?;
    fault_at(view.load::<u8>(lost), lost, "checked access")?;
    if view.protection().write() {
        // SAFETY: nobody else touches the bytes, and the pages can be written.
        let bytes = unsafe { view.as_mut_slice() };
        bytes[lost] = 1;
        ensure(hint::black_box(bytes)[lost] == 1, "the zeros cannot be written")?;
        fault_at(view.store(lost, 2u8), lost, "checked write")?;
    }
    if cell.kind == Kind::Shared {
        fault_at(view.flush_range(lost, 1), lost, "flush")?;
    }
    Ok(())
}

/// Runs `f` where the cell wants it.
fn on<R: Send>(place: Place, f: impl FnOnce() -> R + Send) -> R {
    match place {
        Place::Main => f(),
        Place::Spawned => thread::scope(|threads| threads.spawn(f).join().unwrap()),
        Place::SmallStack => place::on_smallest_stack(f),
        #[cfg(windows)]
        Place::Blocked => unreachable!("no thread blocks an exception"),
        #[cfg(unix)]
        Place::Blocked => thread::scope(|threads| {
            let blocked = threads.spawn(|| {
                place::block_all_signals();
                f()
            });
            blocked.join().unwrap()
        }),
    }
}
