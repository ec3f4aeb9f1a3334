"""A dead node's disk, read as far as it can be: never written to, nothing on it trusted."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import apsw

from appliance.mail.reply import Refused, Reply
from appliance.spool.tables import Tables

_SECTOR = 4096
_PIECE = 1 << 20


class Wreck(Tables):
    """The spool in `disk` (a data directory, or its spool folder), by a copy of its database.

    Making one copies, which takes long and blocks. Raises `Refused` if there is nothing to read,
    OSError if `scratch` cannot be written.
    """

    def __init__(self, disk: Path, scratch: Path) -> None:
        spool = _spool_of(disk)
        self._scratch = scratch
        scratch.mkdir(parents=True)
        bad = 0
        for name in ("spool.db", "spool.db-wal"):
            with suppress(FileNotFoundError):
                bad += _copy(spool / name, scratch / name)
        connection = apsw.Connection(str(scratch / "spool.db"))
        try:
            super().__init__(connection, spool / "content")
        except (apsw.Error, KeyError, TypeError, ValueError) as error:
            connection.close()
            shutil.rmtree(scratch, ignore_errors=True)
            raise _unreadable(f"{spool}: {type(error).__name__} {error}") from error
        self.damaged += bad

    def close(self) -> None:
        """Remove the copy."""
        self._db.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _spool_of(disk: Path) -> Path:
    for folder in (disk / "spool", disk):
        if (folder / "spool.db").exists():
            return folder
    raise _unreadable(f"there is no spool.db in {disk} or {disk / 'spool'}")


def _unreadable(what: str) -> Refused:
    return Refused(
        Reply(550, "5.3.0", what),
        "name the data directory of the dead node, or the folder that [paths] spool names in its"
        " node.toml; if its disk is damaged, try an image of it (ddrescue)",
    )


def _copy(source: Path, target: Path) -> int:
    """Copy a file; sectors that cannot be read become zeros. How many did."""
    bad = 0
    with open(source, "rb", buffering=0) as old, open(target, "xb") as new:
        size = os.fstat(old.fileno()).st_size
        for start in range(0, size, _PIECE):
            end = min(start + _PIECE, size)
            try:
                new.write(_pread(old.fileno(), start, end))
                continue
            except OSError:
                new.seek(start)
            for place in range(start, end, _SECTOR):
                stop = min(place + _SECTOR, end)
                try:
                    new.write(_pread(old.fileno(), place, stop))
                except OSError:
                    new.write(bytes(stop - place))
                    bad += 1
    return bad


def _pread(descriptor: int, start: int, end: int) -> bytes:
    data = os.pread(descriptor, end - start, start)
    return data.ljust(end - start, b"\0")
