//! The driver's socket: private before it can be reached, put in the place of an old one in one step, removed at the
//! end only while it is still ours.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::UnixListener;
use tokio_stream::Stream;

use crate::grpc::stream::DriverStream;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// After a failure to accept (out of file descriptors, for one) the next try comes this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a socket cannot be listened on, as one sentence.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {what}", path.display())]
pub struct ListenError {
    path: PathBuf,
    what: String,
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    place: Place,
}

/// Where a socket lies and which inode there is ours.
#[derive(Clone, Debug)]
pub struct Place {
    path: PathBuf,
    inode: (u64, u64),
}

impl Listener {
    /// Listens on `path`, in place of an old socket that may lie there. Must run inside a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, ListenError> {
        let failed = |what: String| ListenError { path: path.to_owned(), what };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match fs::metadata(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(failed(format!(
                    "the folder {} does not exist; mount the driver's provider folder there",
                    folder.display()
                )));
            }
            Err(error) => return Err(failed(format!("the folder {}: {}", folder.display(), error.kind()))),
            Ok(meta) if !meta.is_dir() => return Err(failed(format!("{} is no folder", folder.display()))),
            Ok(_) => {}
        }
        if let Ok(meta) = fs::symlink_metadata(path)
            && !meta.file_type().is_socket()
        {
            return Err(failed("something that is no socket lies there; remove it".to_owned()));
        }
        // Short, because a socket's path may have 107 bytes only.
        let temporary = folder.join(format!(".lk{}", std::process::id()));
        let bound = Self::bind_privately(&temporary, path);
        if bound.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        bound.map_err(|error| failed(format!("{error}; is the folder writable?")))
    }

    fn bind_privately(temporary: &Path, path: &Path) -> io::Result<Self> {
        match fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        // The file gets the descriptor's mode at bind: there is no moment in which others could connect.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &SocketAddrUnix::new(temporary)?)?;
        listen(&socket, BACKLOG)?;
        let meta = fs::symlink_metadata(temporary)?;
        fs::rename(temporary, path)?;
        let listener = UnixListener::from_std(StdListener::from(socket))?;
        Ok(Self { listener, place: Place { path: path.to_owned(), inode: (meta.dev(), meta.ino()) } })
    }

    /// Where it lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The connections that come in; does not end by itself.
    pub fn incoming(self) -> Incoming {
        Incoming { listener: self.listener, pause: None }
    }
}

impl Place {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True while the file at the path is the one that we bound.
    pub fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.inode)
    }

    /// Removes the file if it is still ours: a socket file must not outlive its listener, and a successor's is not
    /// ours to remove.
    pub fn remove_if_ours(&self) {
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket could not be removed");
        }
    }
}

/// Accepted connections. A failure to accept is logged and waited out; it never ends the provider.
#[derive(Debug)]
pub struct Incoming {
    listener: UnixListener,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Stream for Incoming {
    type Item = io::Result<DriverStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match std::task::ready!(self.listener.poll_accept(cx)) {
                Ok((socket, _)) => return Poll::Ready(Some(Ok(DriverStream::new(socket)))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_takes_the_place_of_an_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vault.sock");
        let old = Listener::bind(&path).expect("bound");
        let new = Listener::bind(&path).expect("bound again");
        assert!(!old.place().is_ours() && new.place().is_ours());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        old.place().remove_if_ours();
        assert!(path.exists(), "a successor's socket is not ours to remove");
        new.place().remove_if_ours();
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing is left behind");
    }

    #[tokio::test]
    async fn what_is_in_the_way_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("vault.sock");
        fs::write(&file, "x").expect("written");
        let error = Listener::bind(&file).expect_err("no socket").to_string();
        assert!(error.contains("no socket lies there") && error.contains("vault.sock"), "{error}");
        assert!(file.exists(), "what is not a socket is not ours to remove");
        let error =
            Listener::bind(&folder.path().join("none/vault.sock")).expect_err("no folder").to_string();
        assert!(error.contains("does not exist"), "{error}");
        let error = Listener::bind(&file.join("vault.sock")).expect_err("a file").to_string();
        assert!(error.starts_with("cannot listen on"), "{error}");
    }
}
