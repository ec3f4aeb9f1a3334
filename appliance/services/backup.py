"""A node's backup, in a process of its own: the spool's frames into a sealed file, and checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec

from appliance.backup.contents import Manifest, encoded, manifest
from appliance.backup.recovery import TABLE, Recipient, RecoveryKey, of_site
from appliance.backup.sealed import BadBackup, Reader, Writer
from appliance.backup.target import Target
from appliance.config import Layout, NodeSettings, open_layout
from appliance.mail.views import Unavailable
from appliance.replica import frames
from appliance.replica.frames import Frame, SnapshotEnd
from appliance.services.clock import monotonic, wall
from appliance.services.site import site_reader
from appliance.spool.copying import Copying, Moved, Unreadable

NICE = 19
_TRIES = 3
_TELL_EVERY = 500


class BackupRefused(Exception):
    """No backup can be made; `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backup, read back. `damaged`: messages and places that could not be read."""

    name: str
    size: int
    messages: int
    damaged: int
    removed: tuple[str, ...] = ()


Tell = Callable[[str, int, int], None]
"""Hears of progress: the stage, how much is done, of how much."""


class _Seldom:
    """Tells no more often than people look."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._at = -_TELL_EVERY

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = monotonic()
        if now - self._at >= _TELL_EVERY:
            self._at = now
            self._tell(stage, done, total)


def create(data: Path, folder: Path, keep: int, tell: Tell) -> Made:
    """Make a backup of the node in `data`, read it back, remove all but the newest `keep`.

    Raises BackupRefused, TargetFailed, BadBackup, OSError, ConfigError.
    """
    layout, node = open_layout(data)
    recipients = site_recipients(layout, node)
    if not recipients:
        raise BackupRefused(
            "the site has no recovery key: nobody could read the backup",
            "make one with `twinpost backup key create`, and keep what it prints",
        )
    target, told = Target(folder), _Seldom(tell)
    for _ in range(_TRIES):
        try:
            made = _write(layout, node, target, recipients, told)
            break
        except Moved:
            continue
        except Unreadable as error:
            raise BackupRefused(str(error), "see the log of mail; is the disk damaged?") from error
    else:
        raise BackupRefused(
            "what came from the other node overtook the backup",
            "try again once the pair is paired and calm",
        )
    with open(folder / made.name, "rb") as file:
        reader = Reader(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        reader.check_seal(recipients, lambda done: told("checking", done, reader.size))
    # One that lacks something is no reason to part with an older one that may have it.
    removed = [] if made.damaged else target.keep(str(node.name), keep)
    return msgspec.structs.replace(made, removed=tuple(removed))


def _write(
    layout: Layout,
    node: NodeSettings,
    target: Target,
    recipients: tuple[Recipient, ...],
    told: Tell,
) -> Made:
    site_toml = layout.site_toml
    start = Manifest(
        node=str(node.name),
        node_toml=layout.node_toml.read_text(encoding="utf-8"),
        site_toml=site_toml.read_text(encoding="utf-8") if site_toml.exists() else "",
    )
    copying = Copying(layout.spool)
    try:
        with target.new(str(node.name)) as (file, path):
            writer = Writer(file, recipients, str(node.name), version("twinpost"), wall())
            writer.item(encoded(start))
            for frame in copying.frames():
                writer.item(frames.encode(frame))
                told("copying", copying.messages, max(copying.total, copying.messages))
            writer.close()
        return Made(
            name=path.name,
            size=path.stat().st_size,
            messages=copying.messages,
            damaged=copying.damaged,
        )
    finally:
        copying.close()


def verify(data: Path, path: Path, tell: Tell) -> None:
    """Is a backup whole, and of this site? Raises BadBackup, OSError, BackupRefused."""
    layout, node = open_layout(data)
    told = _Seldom(tell)
    with open(path, "rb") as file:
        reader = Reader(file)
        recipients = site_recipients(layout, node)
        reader.check_seal(recipients, lambda done: told("checking", done, reader.size))


def read_through(path: Path, key: RecoveryKey, tell: Tell) -> tuple[Manifest, int]:
    """Decrypt a whole backup and check it: its manifest, and how many frames it has.

    Raises BadBackup, OSError.
    """
    told = _Seldom(tell)
    with open(path, "rb") as file:
        reader = Reader(file)
        reader.check_seal([key.recipient()], lambda done: told("checking", done, reader.size))
        items = reader.items(key, lambda done: told("reading", done, reader.size))
        start, count = manifest(items), 0
        for frame in decoded(items):
            count += 1
            last = frame
        if not count or not isinstance(last, SnapshotEnd):
            raise BadBackup("it has no end")
    return start, count


def decoded(items: Iterator[bytes]) -> Iterator[Frame]:
    """The frames behind the manifest; raises BadBackup."""
    for item in items:
        try:
            yield frames.decode(item)
        except msgspec.DecodeError as error:
            raise BadBackup(f"this release cannot read it: {error}") from None


def site_recipients(layout: Layout, node: NodeSettings) -> tuple[Recipient, ...]:
    """The site's recovery keys; raises BackupRefused."""
    try:
        return of_site(site_reader(layout, node).table(TABLE))
    except Unavailable as error:
        raise BackupRefused(str(error), "start the node once, and look at its log") from error
