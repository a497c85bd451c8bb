//! System calls that are refused, as the filters of container runtimes do it.

use std::ffi::{c_int, c_long};
use std::io;

/// Makes these system calls fail with `EPERM`, for this thread and those that it starts, for good.
pub(crate) fn forbid(calls: &[c_long]) {
    refuse(calls, libc::EPERM);
}

/// The same with an error of the caller's choice: with `ENOSYS`, a kernel that is too old for them.
pub(crate) fn refuse(calls: &[c_long], error: c_int) {
    let op = |code: u32, value: u32, skip: u8| libc::sock_filter {
        code: code.try_into().unwrap(),
        jt: 0,
        jf: skip,
        k: value,
    };
    // Loads the number of the call; if it is one of these, the answer is the error, or else the call is made.
    let mut filter = vec![op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for &number in calls {
        filter.push(op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number.try_into().unwrap(), 1));
        filter.push(op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | error.unsigned_abs(), 0));
    }
    filter.push(op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    let program = libc::sock_fprog { len: filter.len().try_into().unwrap(), filter: filter.as_mut_ptr() };
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program points to a filter of its length, which the kernel copies.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}
