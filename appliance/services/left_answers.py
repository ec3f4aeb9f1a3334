"""Answers that an unattended installation has left: the node sets itself up by them, once.

They have a password in them: the file goes when they have become a node, and when they can't. What
could not be done comes up in the console's setup then, with all but the password filled in. If the
power fails before, they are there at the next start, and what was done already is done again.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from appliance.config import ConfigError
from appliance.config.answers import Answers
from appliance.config.document import parse
from appliance.config.install_file import LEFT, NAME
from appliance.control.http import BadRequest, Failed
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.events import Emit, Event
from appliance.trust.files import read, remove

_TRIES = 10
_BETWEEN = 3.0
"""Seconds: network and root helper may still be about to come."""


class Founder(Protocol):
    """Makes a node of this machine."""

    def keep(self, answers: Mapping[str, Any]) -> None:
        """Keep them, without password and code. Raises Unavailable."""

    async def found(self, answers: Answers, by: str) -> str:
        """Do it. Raises Failed, Refused, Unavailable."""


async def set_up(data: Path, founder: Founder, emit: Emit, between: float = _BETWEEN) -> None:
    """Make a node by what was left in `data`, if anything was."""
    left = data / LEFT
    text = await asyncio.to_thread(_text, left)
    if text is None:
        return
    try:
        answers = parse(text, Answers, LEFT)
    except ConfigError as error:
        emit(Event.SETUP_REFUSED, error=str(error))
    else:
        with suppress(Unavailable):
            await asyncio.to_thread(founder.keep, tomllib.loads(text))
        await _found(answers, founder, emit, between)
    with suppress(OSError):
        await asyncio.to_thread(remove, left)


def forget(data: Path) -> None:
    """Remove what is left though there is a node: the power failed just then."""
    with suppress(OSError):
        remove(data / LEFT)


async def _found(answers: Answers, founder: Founder, emit: Emit, between: float) -> None:
    for left in reversed(range(_TRIES)):
        try:
            await founder.found(answers, NAME)
        except (Failed, Refused, Unavailable) as error:
            if left and not isinstance(error, BadRequest | Refused):
                await asyncio.sleep(between)
                continue
            emit(Event.SETUP_REFUSED, error=str(error))
        else:
            emit(Event.SETUP_DONE, node=str(answers.name))
        return


def _text(path: Path) -> str | None:
    try:
        raw = read(path)
    except OSError:
        return None
    return raw.decode("utf-8", "replace") if raw is not None else None
