"""Dates as mail writes them (RFC 5322 §3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_000  # the end of year 9999
# strftime would speak the language of the locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_text(wall_clock: int) -> str:
    """`wall_clock` (milliseconds since 1970, a wrong clock's too) as `Sat, 21 Nov 2026 …`, UTC."""
    at = _EPOCH + timedelta(milliseconds=max(0, min(wall_clock, _LAST)))
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} +0000"
    )
