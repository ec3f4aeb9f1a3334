"""The control API's messages about backups."""

from __future__ import annotations

import msgspec


class BackupFileView(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the folder of backups, as its own header tells; `problem` if it is no backup."""

    name: str
    size: int
    node: str
    release: str
    at: int
    recovery_keys: tuple[str, ...]
    problem: str


class BackupRun(msgspec.Struct, frozen=True, kw_only=True):
    """A backup, or the check of one, under way or done; `total` is 0 while it is not known.

    While it is under way `stage` says what `done` counts: messages, or bytes.
    """

    what: str
    path: str
    running: bool
    stage: str = ""
    done: int = 0
    total: int = 0
    began_at: int
    took: int = 0
    ok: bool = False
    error: str = ""
    hint: str = ""
    name: str = ""
    size: int = 0
    messages: int = 0
    damaged: int = 0
    removed: tuple[str, ...] = ()


class Backups(msgspec.Struct, frozen=True, kw_only=True):
    """The folder of backups; `files` is None if it cannot be read, `problem` says why."""

    target: str
    keep: int
    files: tuple[BackupFileView, ...] | None
    problem: str
    running: BackupRun | None
    last: BackupRun | None


class BackupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a backup, in the folder `to`, as the node sees the path; "" is the one in node.toml."""

    to: str = ""


class VerifyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Check the backup at `path`, as the node sees it."""

    path: str


class RecoveryKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """What the site knows of a recovery key."""

    id: str
    at: int
    by: str
    comment: str


class RecoveryKeys(msgspec.Struct, frozen=True):
    """All of them."""

    keys: tuple[RecoveryKeyView, ...]


class NewRecoveryKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the site may know of a new recovery key: never the key itself."""

    public: bytes
    maker: bytes
    comment: str = ""
    while_alone: bool = False
