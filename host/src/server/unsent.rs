//! How much of an answer the kernel holds that it has not sent.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::net::{TcpStream, tcp::OwnedWriteHalf};

use crate::body::pieces::Way;

/// Bytes. The kernel would take megabytes for a client that reads nothing, and a stuck socket would be seen only then. This is
/// as much as a client's window at first, and a fast client empties it no faster than it is filled.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// Has the kernel hold no more than that.
#[cfg(target_os = "linux")]
pub(super) fn limit(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

/// Leaves it to the kernel.
#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// A connection's socket, as long as it is open: whoever closes it must have it alone.
pub(super) struct Socket(Mutex<Option<Arc<OwnedWriteHalf>>>);

impl Socket {
    pub(super) fn new(half: Arc<OwnedWriteHalf>) -> Self {
        Self(Mutex::new(Some(half)))
    }

    /// From here on it is nobody's by this.
    pub(super) fn let_go(&self) {
        self.half().take();
    }

    fn half(&self) -> MutexGuard<'_, Option<Arc<OwnedWriteHalf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way for Socket {
    /// Whether the kernel has sent all it was given, and so takes as much again as it may hold unsent.
    #[cfg(target_os = "linux")]
    fn is_clear(&self) -> bool {
        use rustix::ioctl::{Getter, ioctl};

        // As `linux/sockios.h` has it; rustix knows it by no name.
        const SIOCOUTQNSD: rustix::ioctl::Opcode = 0x894b;
        let half = self.half();
        let Some(half) = half.as_ref() else { return false };
        #[allow(unsafe_code, reason = "rustix cannot know what a request it has no name for writes")]
        // SAFETY: the kernel writes one `int` for this request (tcp_ioctl), and the socket is open as long as it is held.
        let unsent = unsafe { ioctl(half.as_ref().as_ref(), Getter::<SIOCOUTQNSD, i32>::new()) };
        unsent.is_ok_and(|unsent| unsent == 0)
    }

    #[cfg(not(target_os = "linux"))]
    fn is_clear(&self) -> bool {
        false
    }
}
