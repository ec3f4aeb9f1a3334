"""The demo's people get random passwords, once for each data directory; none is a default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.control.client import Client


def hand_out(path: Path, client: Client) -> Mapping[str, str]:
    """Give each user without a password one, and keep them in `path`; those that are new.

    The file is written first: no user ever has a password that nobody can look up. Raises
    `control.client` errors, OSError.
    """
    from appliance.identity.credential import generated

    kept = _read(path)
    without = [one.name for one in client.users() if one.password_set_at is None]
    new = {name: kept.get(name) or generated() for name in without}
    if new:
        _write(path, {**kept, **new})
    for name, password in new.items():
        client.set_password(name, password)
    return new


def hand_out_to_operators(path: Path, client: Client) -> Mapping[str, str]:
    """Make an operator of each role where there is none at all; as `hand_out`."""
    from appliance.control.roles import Role
    from appliance.identity.credential import generated

    if client.operators():
        return {}
    roles = {
        "admin": Role.ADMINISTRATOR,
        "operator": Role.OPERATOR,
        "viewer": Role.VIEWER,
    }
    kept = _read(path)
    new = {name: kept.get(name) or generated() for name in roles}
    _write(path, {**kept, **new})
    for name, password in new.items():
        client.add_operator(name, roles[name], password)
    return new


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: password for name, _, password in (line.partition(" ") for line in lines)}


def _write(path: Path, passwords: Mapping[str, str]) -> None:
    text = "".join(f"{name} {password}\n" for name, password in sorted(passwords.items()))
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
