"""What is typed into the filter of events, as the API wants it."""

from __future__ import annotations

from appliance.monitor.log.told import Wanted
from appliance.monitor.severity import Severity

HELP = "is:warning|error  node:  process:  id:  event:  or any text"
_FIELDS = {"node": "node", "process": "process", "id": "queue_id"}


class NoFilter(ValueError):
    """What was typed cannot be meant."""


def parse(typed: str, events: tuple[str, ...] = ()) -> Wanted:
    """The filter; raises NoFilter. A field that is still being typed filters nothing."""
    fields: dict[str, str] = {}
    severity, text, names = Severity.INFO, list[str](), list[str]()
    for word in typed.split():
        name, colon, value = word.partition(":")
        if colon and name in _FIELDS:
            fields[_FIELDS[name]] = value.upper() if name == "id" else value
        elif colon and name == "event":
            names += [value] if value else []
        elif colon and name == "is":
            severity = _severity(value)
        else:
            text.append(word)
    return Wanted(
        events=events or tuple(names),
        node=fields.get("node", ""),
        process=fields.get("process", ""),
        queue_id=fields.get("queue_id", ""),
        severity=severity,
        text=" ".join(text),
    )


def _severity(typed: str) -> Severity:
    fitting = [one for one in Severity if one.startswith(typed)] if typed else [Severity.INFO]
    if not fitting:
        raise NoFilter(f"is:{typed}: {', '.join(Severity)}")
    return fitting[0]
