"""Events as lines that people read, and the times that they ask for."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from appliance.cli.output import safe

if TYPE_CHECKING:
    from appliance.monitor.log.told import Told

_AGO = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_COLOURS = {"error": "red", "warning": "yellow", "notice": "cyan"}
_SIGNS = {"error": "✖", "warning": "▲", "notice": "·", "info": " "}
_VALUE = 200


class Moment(click.ParamType[int]):
    """ "2026-11-28", "2026-11-28T12:30", or how long ago: "90s", "30m", "2h", "7d"."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Milliseconds since 1970."""
        if isinstance(value, int):
            return value
        text = str(value)
        if ago := _AGO.fullmatch(text):
            return int((time.time() - int(ago[1]) * _UNITS[ago[2]]) * 1000)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r}: write 2026-11-28, 2026-11-28T12:30, or 30m, 2h, 7d", param, ctx)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        return int(at.timestamp() * 1000)


MOMENT = Moment()


def line(told: Told) -> str:
    """One event on one line: when, where, what, and its fields."""
    fields = " ".join(_fields(told))
    queue_id = f" {safe(told.queue_id)}" if told.queue_id else ""
    event = click.style(safe(told.event), fg=_COLOURS.get(told.severity))
    where = f"{safe(told.node)}/{safe(told.process)}"
    sign = _SIGNS.get(told.severity, " ")
    return f"{safe(told.at)} {sign} {where:<12}{queue_id} {event} {fields}".rstrip()


def _fields(told: Told) -> Iterable[str]:
    for name, value in told.fields.items():
        if value in ("", None, [], {}):
            continue
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        text = safe(shown, _VALUE)
        yield f"{safe(name)}={text!r}" if " " in text else f"{safe(name)}={text}"
