"""What a clock can be believed. All moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""This release was made after it: a clock before it is wrong. Moved on with each release."""
_LONGEST_USE = timedelta(days=15 * 365)
"""After so long a time without a new release, it is rather the clock that is wrong."""
_STEP = timedelta(days=1)
"""A clock may be set back by so much without anybody having to know."""


def moment(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as a moment; what no calendar has is brought back into it."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return (
            datetime(9999, 1, 1, tzinfo=UTC)
            if milliseconds > 0
            else datetime.min.replace(tzinfo=UTC)
        )


def implausible(now: datetime) -> str:
    """Why `now` can't be, "" if it may."""
    if now < RELEASED:
        return f"it shows {now:%Y-%m-%d}, this release is from {RELEASED:%Y-%m-%d} or later"
    if now > RELEASED + _LONGEST_USE:
        return f"it shows {now:%Y-%m-%d}, this release is from about {RELEASED:%Y-%m-%d}"
    return ""


def stepped_back(now: datetime, seen: datetime) -> str:
    """Why `now` can't be if this machine once wrote that it was `seen`, "" if it may."""
    if now < seen - _STEP:
        return f"it shows {now:%Y-%m-%d}, and showed {seen:%Y-%m-%d} before"
    return ""
