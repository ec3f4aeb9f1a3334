"""The administrator named at the first boot, until the spool that holds operators is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from appliance.control.operator_desk import OperatorDesk
from appliance.decoding import from_json
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.trust.files import read, remove, replace

_AGAIN = 0.5
"""Seconds."""


class FirstOperator(msgspec.Struct, frozen=True):
    """What is kept of the answers: no password, but its verifier."""

    name: str
    argon2: str
    set_at: int


def pending(data: Path) -> Path:
    """The file that says so."""
    return data / "first-operator.json"


def remember(data: Path, one: FirstOperator) -> None:
    """Have the node make this operator when it runs; durable. Raises OSError."""
    replace(pending(data), msgspec.json.encode(one))


async def enrol(data: Path, desk: OperatorDesk) -> None:
    """Make the operator who was named, unless there is one by now; return when that is settled."""
    raw = await asyncio.to_thread(read, pending(data))
    if raw is None:
        return
    one = from_json(raw, FirstOperator)
    while True:
        try:
            await desk.first(one.name, one.argon2, one.set_at)
            break
        except (Unavailable, Refused):  # the mail process has not yet begun, or starts anew
            await asyncio.sleep(_AGAIN)
    await asyncio.to_thread(remove, pending(data))
