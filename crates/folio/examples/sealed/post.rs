//! Descriptors through a Unix socket: `SCM_RIGHTS` (unix(7)), which gives the other process a descriptor of its own.

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Sends a descriptor, with the one byte that there has to be.
pub(crate) fn send(socket: &UnixStream, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"m")], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Waits for a byte and the descriptor that came with it. `None` when the other side has nothing more to say.
///
/// The other side is not trusted: it may send bytes without descriptors, or several. Whatever came is owned here, so what is not
/// wanted is closed.
pub(crate) fn receive(socket: &UnixStream) -> io::Result<Option<Result<OwnedFd, &'static str>>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::empty())?;
    if message.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok(Some(match (descriptors.pop(), descriptors.is_empty()) {
        (Some(descriptor), true) => Ok(descriptor),
        (None, _) => Err("there was no descriptor"),
        (Some(_), false) => Err("there was more than one descriptor"),
    }))
}
