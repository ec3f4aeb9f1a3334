"""What control needs to make backups: a worker's command, the folder's files, recovery keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from appliance.backup.recovery import TABLE, Recipient, encoded, of_site
from appliance.backup.target import Target
from appliance.control.schema_backups import BackupFileView, NewRecoveryKey, RecoveryKeyView
from appliance.services.process import SUPERVISOR


class RecoveryKeyBook:
    """Recovery keys as registers (`control.backups.RecoveryKeyBook`)."""

    table = TABLE

    def views(self, table: Mapping[str, bytes]) -> tuple[RecoveryKeyView, ...]:
        """Those of the site that can be used."""
        return tuple(
            [
                RecoveryKeyView(id=one.id, at=one.at, by=one.by, comment=one.comment)
                for one in of_site(table)
            ]
        )

    def register(self, key: NewRecoveryKey, at: int, by: str) -> tuple[str, bytes]:
        """A new one; raises ValueError."""
        recipient = Recipient(key.public, key.maker, at, by, key.comment)
        _ = recipient.key
        if len(key.maker) != 32:
            raise ValueError("a key for making backups has 32 bytes")
        return recipient.id, encoded(recipient)


def files(folder: Path) -> Sequence[BackupFileView]:
    """The backups in a folder; raises OSError."""
    return [BackupFileView(**msgspec.structs.asdict(one)) for one in Target(folder).files()]


def worker_command(data: Path, keep: int) -> Sequence[str]:
    """The beginning of a worker's command line; what to do and the path follow."""
    # -P: the working directory is no place to import from.
    start = [sys.executable, "-P", "-m", "appliance.cli", "backup", "work"]
    return [*start, "--data", str(data), "--keep", str(keep)]


def worker_environment() -> dict[str, str]:
    """A worker ends with this process, however that ends."""
    return {**os.environ, SUPERVISOR: str(os.getpid())}
