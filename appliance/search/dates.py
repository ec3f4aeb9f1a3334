"""Periods as people write them, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:T(\d{1,2}):(\d{2}))?)?)?")
_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DAY = timedelta(days=1)


class NoDate(ValueError):
    """Not a date."""


def period(text: str, now: int) -> tuple[int, int]:
    """[start, end) of a year, month, day or minute, in wall-clock milliseconds; raises NoDate.

    `7d` (m, h, d, w) is the time from so long before `now`.
    """
    if ago := _AGO.fullmatch(text.lower()):
        return now - int(ago.group(1)) * _UNITS[ago.group(2)], now
    today = datetime.fromtimestamp(now / 1000, UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    try:
        start, end = _days(text, today)
    except (ValueError, OverflowError):
        raise NoDate(f"{text!r} is no date") from None
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def _days(text: str, today: datetime) -> tuple[datetime, datetime]:
    if text.lower() == "today":
        return today, today + _DAY
    if text.lower() == "yesterday":
        return today - _DAY, today
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute = (int(one) if one else None for one in found.groups())
    assert year is not None
    if month is None:
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    if day is None:
        start = datetime(year, month, 1, tzinfo=UTC)
        return start, (start + 31 * _DAY).replace(day=1)
    if hour is None or minute is None:
        start = datetime(year, month, day, tzinfo=UTC)
        return start, start + _DAY
    start = datetime(year, month, day, hour, minute, tzinfo=UTC)
    return start, start + timedelta(minutes=1)
