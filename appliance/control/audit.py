"""Who did what: one event for each call that changes something, done or not."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from appliance.control.http import FAILURE, WHO
from appliance.mail.visible import visible
from appliance.monitor.events import Event

_NOTES: web.RequestKey[dict[str, str]] = web.RequestKey("notes", dict)
_LONGEST = 200
# An answer to what makes no sense may repeat it: it is told to who asked, and nobody else.
_TOLD = frozenset({"forbidden", "unauthorized", "too_often", "not_found", "refused", "unavailable"})


def note(request: web.Request, **values: object) -> None:
    """Have the audit of this call tell more: never what may be secret."""
    notes = request.setdefault(_NOTES, {})
    notes.update({name: _short(value) for name, value in values.items()})


class Audit:
    """Writes events."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit

    def ended(self, request: web.Request, action: str, status: int) -> None:
        """A call has ended with `status`. Names in braces in `action` are those of its path."""
        who, failure = request.get(WHO), request.get(FAILURE)
        names = {key: _short(value) for key, value in request.match_info.items()}
        fields: dict[str, object] = {
            "by": who.name if who else "",
            "role": (who.role if who else None) or "",
            "action": action.format_map(names),
            "outcome": failure.code if failure else "done" if status < 400 else "internal",
            **request.get(_NOTES, {}),
        }
        if who is not None and not who.local:
            fields["via"] = "the other node"
        if failure is not None and failure.code in _TOLD:
            fields["error"] = _short(failure.error)
        self._emit(Event.AUDIT, **fields)


def _short(value: object) -> str:
    return visible(str(value), _LONGEST)
