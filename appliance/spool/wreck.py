"""A dead node's disk, read as far as it can be: never written to, nothing on it trusted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from appliance.mail.queue_id import queue_id
from appliance.mail.reply import Refused, Reply
from appliance.replica.frames import Introduced
from appliance.replica.ownership import Claim
from appliance.replica.position import Mark
from appliance.replica.registers import Register
from appliance.replica.site_versions import SiteVersion
from appliance.spool.names import Names
from appliance.spool.schema import NUMBER_BITS, VERSION, rows

T = TypeVar("T")
_SECTOR = 4096
_PIECE = 1 << 20
_ROWS = 64
_LAST = 1 << 62
_decode_claim = msgspec.msgpack.Decoder(Claim).decode
_decode_version = msgspec.msgpack.Decoder(SiteVersion).decode
_decode_register = msgspec.msgpack.Decoder(Register).decode

SEGMENTS = "SELECT lsn, inc, last, hash, segment FROM journal WHERE lsn>? ORDER BY lsn LIMIT ?"
MESSAGES = (
    "SELECT key, size, digest, external, arrived, state, envelope FROM message"
    " WHERE key>? ORDER BY key LIMIT ?"
)


class Wreck:
    """The spool in `disk` (a data directory, or its spool folder), by a copy of its database.

    Making one copies, which takes long and blocks. Raises `Refused` if there is nothing to read,
    OSError if `scratch` cannot be written. `damaged` counts places that could not be read.
    """

    def __init__(self, disk: Path, scratch: Path) -> None:
        self._spool = _spool_of(disk)
        self._scratch = scratch
        self.damaged = 0
        scratch.mkdir(parents=True)
        for name in ("spool.db", "spool.db-wal"):
            with suppress(FileNotFoundError):
                self.damaged += _copy(self._spool / name, scratch / name)
        self._db = apsw.Connection(str(scratch / "spool.db"))
        try:
            self._read_frame()
        except (apsw.Error, KeyError, TypeError, ValueError) as error:
            self.close()
            raise _unreadable(f"{self._spool}: {type(error).__name__} {error}") from error

    def _read_frame(self) -> None:
        version = self._db.pragma("user_version")
        if not 1 <= version <= VERSION:
            raise ValueError(f"schema {version}, this release understands {VERSION}")
        meta = dict(rows(self._db, "SELECT name, value FROM meta"))
        self.node: bytes = meta["node"]
        self.clock: int = meta["clock"]
        self.indexes: dict[int, bytes] = {}
        self.incarnations = list[Introduced]()
        for index, id_, node, seq, hash_, at, pruned in rows(
            self._db, "SELECT idx, id, node, seq, hash, at, pruned FROM incarnation ORDER BY idx"
        ):
            self.indexes[index] = id_
            self.incarnations.append(Introduced(id_, node, Mark(seq, hash_), at, pruned))
        self._tags = dict(rows(self._db, "SELECT idx, tag FROM incarnation"))
        self._names = Names(self._db)

    def close(self) -> None:
        """Remove the copy."""
        self._db.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def queue_id(self, key: int) -> str:
        """The queue id of a row; raises LookupError."""
        return queue_id(self._tags[key >> NUMBER_BITS], key & (1 << NUMBER_BITS) - 1)

    def claims(self) -> Iterator[Claim]:
        """The claims that can be read."""
        return self._decoded("SELECT claim FROM claim", _decode_claim)

    def versions(self) -> Iterator[SiteVersion]:
        """The versions of the site's document that can be read."""
        return self._decoded("SELECT version FROM site", _decode_version)

    def registers(self) -> Iterator[Register]:
        """The registers that can be read."""
        return self._decoded("SELECT register FROM register", _decode_register)

    def _decoded(self, sql: str, decode: Callable[[bytes], T]) -> Iterator[T]:
        with suppress(apsw.Error):  # an older release has not all these tables
            for (data,) in rows(self._db, sql):
                try:
                    yield decode(data)
                except msgspec.DecodeError:
                    self.damaged += 1

    def table(self, sql: str) -> Iterator[Sequence[Any]]:
        """The rows of SEGMENTS or MESSAGES that can be read, in order."""
        after = -_LAST
        while True:
            try:
                found = list(rows(self._db, sql, (after, _ROWS)))
            except apsw.Error:
                found = self._one(sql, after)
            if not found:
                return
            yield from found
            after = found[-1][0]

    def _one(self, sql: str, after: int) -> list[Sequence[Any]]:
        """The next row that can be read, past as few as possible."""

        def attempt(place: int) -> list[Sequence[Any]] | None:
            try:
                return list(rows(self._db, sql, (place, 1)))
            except apsw.Error:
                return None

        found = attempt(after)
        if found is not None:
            return found
        self.damaged += 1
        return _first(attempt, after)

    def content(self, name: str, digest: bytes) -> bytes | None:
        """Inline content of a message, None if it is not there or not what it was."""
        try:
            body = self._db.execute(
                "SELECT body FROM content WHERE key=?", (self._names.key(name),)
            ).get
        except (LookupError, apsw.Error):
            return None
        return body if isinstance(body, bytes) and sha256(body).digest() == digest else None

    def knows(self, name: str) -> bool:
        """False if the message was pruned there."""
        try:
            key = self._names.key(name)
            return self._db.execute("SELECT 1 FROM message WHERE key=?", (key,)).get is not None
        except LookupError:
            return False
        except apsw.Error:
            return True

    def body(self, name: str) -> Iterator[bytes]:
        """A large body in pieces, as far as it can be read; its digest must be checked."""
        with suppress(OSError), open(self._spool / "content" / name, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece


def _first(attempt: Callable[[int], list[Sequence[Any]] | None], after: int) -> list[Sequence[Any]]:
    step = 1
    while (found := attempt(after + step)) is None:
        if step >= _LAST:
            return []
        step *= 2
    low, high = after + step // 2, after + step
    while high - low > 1:
        middle = (low + high) // 2
        better = attempt(middle)
        if better is None:
            low = middle
        else:
            high, found = middle, better
    return found


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
