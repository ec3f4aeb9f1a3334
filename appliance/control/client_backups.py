"""The client's calls about backups."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from appliance.control.client_monitor import Asks
from appliance.control.schema import Done, WhileAlone
from appliance.control.schema_backups import (
    BackupRequest,
    BackupRun,
    Backups,
    NewRecoveryKey,
    RecoveryKeys,
    RecoveryKeyView,
    VerifyRequest,
)


class BackupCalls:
    """Part of `control.client.Client`."""

    def backups(self: Asks, folder: str = "") -> Backups:
        """What is in the folder, or in the one that node.toml names."""
        return self._get(f"/backups?{urlencode({'folder': folder})}", Backups)

    def make_backup(self: Asks, to: str = "") -> BackupRun:
        """Begin one; it is under way when this returns."""
        return self._post("/backups", BackupRequest(to), BackupRun)

    def verify_backup(self: Asks, path: str) -> BackupRun:
        """Begin to check one."""
        return self._post("/backups/verify", VerifyRequest(path), BackupRun)

    def backup_run(self: Asks) -> BackupRun:
        """What is under way, or was last; raises ApiError with code "not_found"."""
        return self._get("/backups/run", BackupRun)

    def recovery_keys(self: Asks) -> Sequence[RecoveryKeyView]:
        """The site's recovery keys."""
        return self._get("/recovery-keys", RecoveryKeys).keys

    def add_recovery_key(self: Asks, key: NewRecoveryKey) -> str:
        """Backups will be readable with it; says so."""
        return self._post("/recovery-keys", key, Done).text

    def remove_recovery_key(self: Asks, id_: str, while_alone: bool = False) -> str:
        """Backups made from now on will not be readable with it; says so."""
        path = f"/recovery-keys/{quote(id_, safe='')}/remove"
        return self._post(path, WhileAlone(while_alone), Done).text
