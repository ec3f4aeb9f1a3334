"""Figures as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def size(value: float) -> str:
    """4096 → "4.0 KiB"."""
    sign, value = ("−", -value) if value < 0 else ("", value)
    for unit in _BINARY:
        if value < 1024 or unit == _BINARY[-1]:
            break
        value /= 1024
    return f"{sign}{value:.0f} {unit}" if unit == "B" else f"{sign}{value:.1f} {unit}"


def span(milliseconds: float) -> str:
    """A length of time: "12 s", "5 min", "3 h 20 min", "2 d 4 h"."""
    seconds = int(max(milliseconds, 0)) // 1000
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 and days < 14 else f"{days} d"


def number(value: float) -> str:
    """1234567 → "1,234,567"; 0.256 → "0.26"."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def moment(milliseconds: int) -> str:
    """2026-11-28 12:30 UTC."""
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return "a moment that no calendar has"


def quantity(value: float, unit: str) -> str:
    """A figure of the history in its unit."""
    match unit:
        case "bytes":
            return size(value)
        case "s":
            return span(value * 1000) if value >= 1 else f"{value * 1000:.0f} ms"
        case "share":
            return f"{100 * value:.0f} %"
        case "per minute":
            return f"{number(value)}/min"
        case _:
            return number(value)
