"""The process that makes or checks one backup for control, which reads what it says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from appliance.backup.sealed import BadBackup
from appliance.backup.target import TargetFailed
from appliance.config import ConfigError
from appliance.control.backup_worker import Said
from appliance.services.backup import NICE, BackupRefused, create, verify
from appliance.services.process import die_with_parent


def work(data: Path, keep: int, what: str, path: Path) -> None:
    """Do it; says how far it is, and last what came of it."""
    die_with_parent(os.environ)
    os.nice(NICE)
    _say(_outcome(data, keep, what, path))


def _outcome(data: Path, keep: int, what: str, path: Path) -> Said:
    try:
        if what == "verify":
            verify(data, path, _tell)
            return Said(ended=True, size=path.stat().st_size, name=path.name)
        made = create(data, path, keep, _tell)
    except (BackupRefused, TargetFailed) as error:
        return Said(ended=True, error=str(error), hint=error.hint)
    except BadBackup as error:
        return Said(ended=True, error=str(error), hint="take another backup; is the stick sound?")
    except ConfigError as error:
        return Said(ended=True, error=str(error), hint="see `twinpost config check`")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Said(ended=True, error=f"{where}{error.strerror or error}", hint="look at the disk")
    return Said(ended=True, **msgspec.structs.asdict(made))


def _tell(stage: str, done: int, total: int) -> None:
    _say(Said(stage=stage, done=done, total=total))


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()
