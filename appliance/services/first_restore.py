"""The first boot of a machine that gets a site back from a backup.

Crash windows. The backup becomes a whole data directory, `restored`, which is durable before
anything of it is used; then keys, spool and site.toml are moved out of it, one by one. Whenever
the power fails before node.toml is in place, the setup comes again and does anew all of it: while
`restored` is there, what had been moved is of that attempt, and goes. Anything else that lies where
something is moved to is set aside, not removed: nobody knows what it is.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from appliance.backup.contents import Manifest, manifest
from appliance.backup.recovery import RecoveryKey
from appliance.backup.sealed import Reader
from appliance.backup.target import Target, sync_directory
from appliance.config import Layout
from appliance.config.answers import Answers, RestoreAnswers
from appliance.config.document import parse
from appliance.config.new_node import node_of, node_text
from appliance.config.node import NodeSettings
from appliance.config.units import Hostname
from appliance.control.schema_setup import FoundBackup
from appliance.services.backup import Tell
from appliance.services.first_boot_state import draft
from appliance.services.restore import restore
from appliance.trust.files import replace

_MOVED = ("keys", "spool", "site.toml")
_DEPTH = 3
_MOST = 500
"""So many folders of sticks are looked into."""


def backups(folders: Iterable[Path]) -> list[FoundBackup]:
    """All in these folders and in what is in them, the newest first; what can't be read is none."""
    found = []
    for folder in itertools.islice(_folders(folders), _MOST):
        with suppress(OSError):
            found += [
                FoundBackup(str(folder / one.name), one.node, one.at, one.size)
                for one in Target(folder).files()
                if not one.problem
            ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _folders(tops: Iterable[Path]) -> Iterator[Path]:
    for top in tops:
        for name, folders, _ in os.walk(top):
            yield Path(name)
            if len(Path(name).relative_to(top).parts) >= _DEPTH:
                folders.clear()


def opened(said: RestoreAnswers) -> Manifest:
    """What a backup begins with: its key fits then. Raises Mistyped, BadBackup, OSError."""
    key = RecoveryKey.parse(said.key)
    with open(said.file, "rb") as file:
        return manifest(Reader(file).items(key))


def bring_back(layout: Layout, answers: Answers, group: str | None, tell: Tell) -> None:
    """Everything but the last step. Raises BadBackup, RestoreRefused, ConfigError, OSError."""
    said = answers.restore
    assert said is not None
    node = node_of(_at_home(answers, opened(said)), None, group)
    replace(draft(layout), node_text(node).encode())
    work = place(layout)
    again = work.exists()
    shutil.rmtree(work, ignore_errors=True)
    restore(Path(said.file), RecoveryKey.parse(said.key), work, draft(layout), tell)
    for name in _MOVED:
        if (work / name).exists():
            _clear(layout.data / name, own=again)
            os.rename(work / name, layout.data / name)
    sync_directory(layout.data)


def place(layout: Layout) -> Path:
    """What a backup becomes first; it goes when there is a node."""
    return layout.data / "restored"


def _at_home(answers: Answers, start: Manifest) -> Answers:
    """The name in mail is of the domain that the old node was in."""
    old = parse(start.node_toml, NodeSettings, "the backup's node.toml")
    domain = str(old.hostname).partition(".")[2]
    if answers.hostname or not domain:
        return answers
    return msgspec.structs.replace(answers, hostname=Hostname.parse(f"{answers.name}.{domain}"))


def _clear(path: Path, own: bool) -> None:
    if not path.exists():
        return
    if path.is_file() and own:
        path.unlink()
    elif path.is_dir() and (own or not any(one.is_file() for one in path.rglob("*"))):
        shutil.rmtree(path)
    else:
        aside = next(
            one
            for number in itertools.count(1)
            if not (one := path.with_name(f"{path.name}.before-{number}")).exists()
        )
        os.rename(path, aside)
