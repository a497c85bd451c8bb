//! Kernel copies in a thread whose stack is memory that the kernel reaches for the process itself only.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(folio_heap)))] // the heap makes no kernel copies

#[path = "support/skip.rs"]
mod skip;
mod support;

use folio::fault;
use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::{child, lost};

unsafe extern "C" {
    /// pthread_attr_setstack(3). The crate `libc` has it in later versions than the library asks for.
    fn pthread_attr_setstack(
        attributes: *mut libc::pthread_attr_t,
        stack: *mut libc::c_void,
        len: usize,
    ) -> libc::c_int;
}

const STACK: usize = 1 << 20;

/// The kernel moves the bytes between the view and a buffer on the stack. A short count was blamed on the view whichever of the
/// two could not be reached.
#[test]
fn a_stack_that_the_kernel_cannot_reach_is_not_blamed_on_the_view() {
    const NAME: &str = "a_stack_that_the_kernel_cannot_reach_is_not_blamed_on_the_view";
    if let Err(error) = secret_memory() {
        skip::skip(NAME, format!("no secret memory (memfd_secret(2)): {error}"));
        return;
    }
    child::run(NAME, || {
        fault::use_kernel_copies().unwrap();
        on_stack(secret_memory().unwrap(), || {
            let (view, _file) = lost::view();
            let mut buf = vec![1; folio::page_size()];
            view.write_all_at(&buf, 0).unwrap();
            buf.fill(2);
            view.read_exact_at(&mut buf, 0).unwrap();
            assert!(buf.iter().all(|&byte| byte == 1));
            view.store(8, 77_u64).unwrap();
            assert_eq!(view.load::<u64>(8).unwrap(), 77);
            // And what is lost is lost there too.
            lost::assert_recovers(&view);
        });
        assert!(!fault::is_installed());
    })
    .well();
}

/// Memory that is never reached by way of the kernel's page tables.
fn secret_memory() -> io::Result<*mut c_void> {
    // SAFETY: the call takes a number.
    let file = unsafe { libc::syscall(libc::SYS_memfd_secret, 0) };
    let file = i32::try_from(file).unwrap();
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor of ours, and a number.
    assert_eq!(unsafe { libc::ftruncate(file, STACK.try_into().unwrap()) }, 0);
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping where the kernel likes. It stays.
    let memory = unsafe { libc::mmap(ptr::null_mut(), STACK, protection, flags, file, 0) };
    if memory == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(memory) }
}

/// Runs `f` in a thread with this stack. Such a thread cannot be joined: the kernel does not reach what `pthread_join` waits for.
fn on_stack(stack: *mut c_void, f: fn()) {
    static DONE: AtomicBool = AtomicBool::new(false);
    extern "C" fn start(task: *mut c_void) -> *mut c_void {
        // SAFETY: `f` of the thread that waits below.
        let task = unsafe { *task.cast::<fn()>() };
        task();
        DONE.store(true, SeqCst);
        ptr::null_mut()
    }
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: there is room for attributes.
    assert_eq!(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) }, 0);
    // SAFETY: they have been initialised; the memory is this long and nobody else's.
    assert_eq!(unsafe { pthread_attr_setstack(attributes.as_mut_ptr(), stack, STACK) }, 0);
    // SAFETY: they have been initialised.
    let detached = unsafe { libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED) };
    assert_eq!(detached, 0);
    let mut id = MaybeUninit::uninit();
    let task = (&raw const f).cast_mut().cast();
    // SAFETY: the task lives until the thread has said that it is done with it.
    assert_eq!(unsafe { libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), start, task) }, 0);
    while !DONE.load(SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
}
