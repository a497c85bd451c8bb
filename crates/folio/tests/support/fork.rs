//! A part of a test in a child made by `fork`.

/// Runs `body` in a child made by `fork`, and answers how that ended, as `waitpid` says it: 0 if the body is true.
pub(crate) fn in_fork(body: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child uses what a child of a program with threads may not always use (memory is allocated); the C
    // libraries of the systems in the platform table keep their allocators in order across `fork`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: no preconditions. A child that hangs ends by SIGALRM.
        unsafe { libc::alarm(120) };
        let well = body();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!well)) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and there is room for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}
