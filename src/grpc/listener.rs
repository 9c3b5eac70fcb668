//! The driver's socket: private before it can be reached, put in the place of an old one in one step, made anew when
//! it is gone, removed at the end only while it is still ours.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::grpc::accept::Incoming;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// How often the socket's file is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// A successor makes its own socket anew when that is gone; only when it has not for so long do we.
const SUCCESSOR_PATIENCE: Duration = Duration::from_secs(3);

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
    place: Arc<Place>,
}

/// Where a socket lies and which inode there is ours.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    // None once it is given up; held while the file is made or removed, so that the two never cross.
    inode: Mutex<Option<(u64, u64)>>,
}

/// Whose file lies at the socket's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours.
    Ours,
    /// There is none.
    Nobody,
    /// Another process's: a successor has taken the path over.
    Another,
}

impl Listener {
    /// Listens on `path`, in place of an old socket that may lie there. Must run inside a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, ListenError> {
        let (listener, inode) = bind_at(path)?;
        Ok(Self {
            listener,
            place: Arc::new(Place { path: path.to_owned(), inode: Mutex::new(Some(inode)) }),
        })
    }

    /// Where it lies.
    pub fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// The connections that come in; does not end by itself. While they are waited for, a file that is gone is made
    /// anew.
    pub fn incoming(self) -> Incoming {
        let (sender, fresh) = mpsc::unbounded_channel();
        let keeper = tokio::spawn(keep(self.place, sender));
        Incoming::new(self.listener, fresh, keeper)
    }
}

/// Looks after the socket's file: gone (the Go provider removes ours as it leaves) it is made anew within a second;
/// another's is never touched.
async fn keep(place: Arc<Place>, sender: mpsc::UnboundedSender<UnixListener>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let path = place.path.display();
    let mut superseded = false;
    let mut gone_since = None;
    let mut failure = String::new();
    loop {
        looks.tick().await;
        match place.owner() {
            Owner::Ours => (superseded, gone_since) = (false, None),
            Owner::Another => {
                if !std::mem::replace(&mut superseded, true) {
                    tracing::warn!(%path, "another process has the socket now; the connections we have are served on");
                }
                gone_since = None;
            }
            Owner::Nobody => {
                let since = *gone_since.get_or_insert_with(Instant::now);
                // What a successor had is the successor's to make anew, unless that is gone too.
                if superseded && since.elapsed() < SUCCESSOR_PATIENCE {
                    continue;
                }
                match place.make_anew() {
                    Ok(Some(listener)) => {
                        tracing::warn!(%path, "the socket was gone and is made anew");
                        if sender.send(listener).is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(error) => {
                        let error = error.to_string();
                        if error != failure {
                            tracing::error!("{error}");
                            failure = error;
                        }
                    }
                }
            }
        }
    }
}

impl Place {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose file lies there.
    pub fn owner(&self) -> Owner {
        self.owner_for(&self.inode())
    }

    /// Removes the file if it is still ours, and makes none anew: a socket file must not outlive its listener, and a
    /// successor's is not ours to remove.
    pub fn give_up(&self) {
        let mut inode = self.inode();
        if self.owner_for(&inode) == Owner::Ours
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket could not be removed");
        }
        *inode = None;
    }

    /// Binds again; `None` when the place was given up meanwhile.
    fn make_anew(&self) -> Result<Option<UnixListener>, ListenError> {
        let mut inode = self.inode();
        if inode.is_none() {
            return Ok(None);
        }
        let (listener, new) = bind_at(&self.path)?;
        *inode = Some(new);
        Ok(Some(listener))
    }

    fn owner_for(&self, inode: &Option<(u64, u64)>) -> Owner {
        match fs::symlink_metadata(&self.path) {
            Ok(meta) if Some((meta.dev(), meta.ino())) == *inode => Owner::Ours,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Owner::Nobody,
            _ => Owner::Another,
        }
    }

    fn inode(&self) -> MutexGuard<'_, Option<(u64, u64)>> {
        self.inode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks what lies at the path and listens there.
fn bind_at(path: &Path) -> Result<(UnixListener, (u64, u64)), ListenError> {
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
    // Of its own, because two processes may be the first of their containers and bind at once; short, because a
    // socket's path may have 107 bytes only.
    let temporary = folder.join(format!(".lk{:08x}", fastrand::u32(..)));
    bind_privately(&temporary, path).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        let writable = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "; it must be writable",
            _ => "",
        };
        failed(format!("the folder {}: {}{writable}", folder.display(), error.kind()))
    })
}

fn bind_privately(temporary: &Path, path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file gets the descriptor's mode at bind: there is no moment in which others could connect.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(temporary)?)?;
    listen(&socket, BACKLOG)?;
    let meta = fs::symlink_metadata(temporary)?;
    fs::rename(temporary, path)?;
    Ok((UnixListener::from_std(StdListener::from(socket))?, (meta.dev(), meta.ino())))
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
        assert_eq!((old.place().owner(), new.place().owner()), (Owner::Another, Owner::Ours));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        old.place().give_up();
        assert!(path.exists(), "a successor's socket is not ours to remove");
        new.place().give_up();
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

    #[tokio::test]
    async fn a_socket_that_is_gone_is_made_anew_and_another_processs_is_left_alone() {
        use tokio_stream::StreamExt;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vault.sock");
        let listener = Listener::bind(&path).expect("bound");
        let place = Arc::clone(listener.place());
        let mut incoming = listener.incoming();
        fs::remove_file(&path).expect("removed");
        let connect = async {
            while tokio::net::UnixStream::connect(&path).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let accepted = async { incoming.next().await.expect("it does not end").expect("a connection") };
        let both = async { tokio::join!(connect, accepted) };
        tokio::time::timeout(Duration::from_secs(10), both).await.expect("made anew");
        assert_eq!(place.owner(), Owner::Ours);
        let successor = Listener::bind(&path).expect("bound by another");
        tokio::time::sleep(3 * LOOK).await;
        assert_eq!((place.owner(), successor.place().owner()), (Owner::Another, Owner::Ours));
        place.give_up();
        assert_eq!(successor.place().owner(), Owner::Ours);
    }
}
