//! What the handler would make of a signal at each instruction of a single access, seen by the processor's single steps.

use super::super::{machine, prepare};
use super::system;
use libc::{c_int, c_void, siginfo_t};
use std::arch::asm;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What the accesses change: from 0 to 1.
static WORD: AtomicU64 = AtomicU64::new(0);

/// At how many instructions the access would be told not to be made, before it was made and after.
static TOLD: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

extern "C" fn look(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a valid pointer.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let at = WORD.as_ptr().addr();
    if system::single(context).touches(at, at + 1) {
        TOLD[usize::from(WORD.load(Ordering::Relaxed) != 0)].fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `work` with a SIGTRAP after each instruction.
fn in_steps(work: impl FnOnce()) {
    // SAFETY: sets one flag, and has the stack for it.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    work();
    // SAFETY: as above, and it clears the flag.
    unsafe { asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq") };
}

/// Apple's systems do not tell a signal that was sent from a fault. One that came right behind an access had it made twice.
#[test]
fn an_access_that_has_been_made_is_not_told_to_be_missed() {
    prepare::prepare().unwrap();
    // SAFETY: a C structure of integers, pointers and sets, for all of which zeros are valid.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = look as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: for the same reasons as above.
    let mut before: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: the handler is a function of the right type, and touches its arguments and atomics.
    assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, &raw mut before) }, 0);

    let at = WORD.as_ptr().cast::<u8>();
    // SAFETY: a word of ours, for these and all that follow; this thread is prepared.
    let accesses: [(&str, &dyn Fn() -> bool); 6] = [
        ("a store of one byte", &|| unsafe { machine::store(at, 1_u8) }.is_ok()),
        // SAFETY: for the same reasons as above.
        ("a store of eight bytes", &|| unsafe { machine::store(at, 1_u64) }.is_ok()),
        // SAFETY: for the same reasons as above.
        ("a sum of four bytes", &|| unsafe { machine::fetch_add(at, 1_u32) }.is_ok()),
        // SAFETY: for the same reasons as above.
        ("a sum of eight bytes", &|| unsafe { machine::fetch_add(at, 1_u64) }.is_ok()),
        // SAFETY: for the same reasons as above.
        ("an exchange of four bytes", &|| unsafe { machine::compare_exchange(at, 0_u32, 1) }.is_ok()),
        // SAFETY: for the same reasons as above.
        ("an exchange of eight bytes", &|| unsafe { machine::compare_exchange(at, 0_u64, 1) }.is_ok()),
    ];
    let seen = accesses.map(|(name, access)| {
        WORD.store(0, Ordering::Relaxed);
        let mut made = false;
        in_steps(|| made = access());
        let made = made && WORD.load(Ordering::Relaxed) == 1;
        (name, made, [0, 1].map(|when: usize| TOLD[when].swap(0, Ordering::Relaxed)))
    });
    // SAFETY: brings back what was there.
    assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &raw const before, ptr::null_mut()) }, 0);
    for (name, made, [before, after]) in seen {
        assert!(made, "{name}");
        assert!(before > 0, "{name} is not recognised");
        assert_eq!(after, 0, "{name}");
    }
}
