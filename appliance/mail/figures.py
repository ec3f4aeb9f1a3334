"""Sizes, times and numbers as people read them."""

from __future__ import annotations


def bytes_text(size: int) -> str:
    """4096 as "4.0 KiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def time_text(milliseconds: int) -> str:
    """A length of time for people: "12 s", "5 min", "3 h 20 min", "2 d 4 h"."""
    seconds = max(milliseconds, 0) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def span_text(milliseconds: int) -> str:
    """Like `time_text`, to the millisecond below a minute: "345 ms", "1.234 s"."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3f} s"
    return time_text(milliseconds)


def counted(number: int, one: str, many: str = "") -> str:
    """1 → "1 message", 2 → "2 messages"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
