"""Small pictures of figures, one line high."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.:-=+*#"


def spark(samples: Sequence[float], width: int, *, ascii_only: bool) -> str:
    """The last `width` samples as bars from 0 to the largest of them, newest at the right.

    What is not known yet is as low as nothing: a line at rest stays as it is.
    """
    shown = list(samples[-width:])
    top = max(shown, default=0.0)
    bars = _ASCII_BARS if ascii_only else _BARS
    steps = len(bars) - 1
    drawn = [bars[round(one / top * steps)] if top else bars[0] for one in shown]
    return "".join(drawn).rjust(width, bars[0])


def gauge(share: float, width: int, *, ascii_only: bool) -> str:
    """A bar that is full as far as `share` (0 to 1)."""
    full = round(min(max(share, 0.0), 1.0) * width)
    filled, empty = ("#", ".") if ascii_only else ("█", "░")
    return filled * full + empty * (width - full)


def rate_text(rate: float) -> str:
    """Messages a second, always as wide."""
    return f"{rate:7.1f}/s" if rate < 10_000 else f"{rate:7.0f}/s"
