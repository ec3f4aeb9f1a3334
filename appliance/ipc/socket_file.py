"""Socket files: owner-only from their first moment, stale ones replaced, live ones never."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MODE = 0o600
_BACKLOG = 128


class SocketInUse(OSError):
    """Another process serves that socket file."""


@contextmanager
def listening_socket(path: Path) -> Iterator[socket.socket]:
    """A socket that listens at `path`, mode 0600, in place of a stale socket file.

    It stays open after the block unless that raises, as the event loop owns it by then. Raises
    SocketInUse if somebody answers at `path`, FileExistsError if it is not a socket.
    """
    with _short(path) as final:
        _check_replaceable(final, path)
        new = f"{final}.new"
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # On Linux the file takes the mode of the unbound socket: no moment with a wider one.
            os.fchmod(sock.fileno(), _MODE)
            _remove(new)
            sock.bind(new)
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            # Bound under another name and renamed: who connects finds the old socket or a
            # listening one, never neither.
            os.rename(new, final)
            # Still inside _short: asyncio (3.13) looks the bound name up once more.
            yield sock
        except BaseException:
            sock.close()
            raise


def connected_socket(path: Path) -> socket.socket:
    """A non-blocking socket connected to `path`; OSError if none listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        with _short(path) as name:
            # Never waits: Unix sockets connect at once, or fail with EAGAIN on a full backlog.
            sock.connect(name)
    except BaseException:
        sock.close()
        raise
    return sock


def remove_socket_file(path: Path, inode: int) -> None:
    """Remove the socket file at `path` if it is still the one with that inode."""
    with suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for `path` that fits the 108 bytes of sun_path however deep the directory is."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _check_replaceable(name: str, path: Path) -> None:
    try:
        mode = os.lstat(name).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is a file, not a socket", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            return  # stale: its process is gone
        except BlockingIOError:
            pass  # it listens, its backlog is full
        raise SocketInUse(errno.EADDRINUSE, "another process serves this socket", str(path))


def _remove(name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name)
