"""How the console looks: four themes, and which one a terminal gets."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

from tui.ascii import CURSOR

AUTO = "auto"
ASCII = "ascii"
NAMES = ("dark", "light", "contrast", ASCII)

_PLAIN_TERMINALS = ("linux", "vt", "dumb", "ansi", "console", "pcansi", "sun", "cons25")

_DARK = Theme(
    name="dark",
    primary="#5fa8d3",
    secondary="#7f9db5",
    accent="#e0b45c",
    warning="#e0b45c",
    error="#e5737a",
    success="#7fc48f",
    foreground="#d7dde3",
    background="#14191f",
    surface="#14191f",
    panel="#1d252e",
    variables={
        "block-cursor-background": "#2c4d66",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "footer-key-foreground": "#e0b45c",
        "quiet": "#8494a3",
    },
)
_LIGHT = Theme(
    name="light",
    primary="#1f5f8b",
    secondary="#4f6b80",
    accent="#8a5a00",
    warning="#8a5a00",
    error="#b3261e",
    success="#2c6e3f",
    foreground="#1b2127",
    background="#fbfbf9",
    surface="#fbfbf9",
    panel="#e8ebee",
    dark=False,
    variables={
        "block-cursor-background": "#bcd9ee",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "none",
        "footer-key-foreground": "#8a5a00",
        "quiet": "#5d6b78",
    },
)
_CONTRAST = Theme(
    name="contrast",
    primary="#00ffff",
    secondary="#ffffff",
    accent="#ffff00",
    warning="#ffff00",
    error="#ff8080",
    success="#80ff80",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    text_alpha=1.0,
    variables={
        "block-cursor-background": "#ffff00",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "bold",
        "footer-key-foreground": "#ffff00",
        "quiet": "#ffffff",
    },
)
# The sixteen colours of a VGA console, exactly: nothing has to be approximated.
_ASCII = Theme(
    name=ASCII,
    primary="#55ffff",
    secondary="#aaaaaa",
    accent="#ffff55",
    warning="#ffff55",
    error="#ff5555",
    success="#55ff55",
    foreground="#aaaaaa",
    background="#000000",
    surface="#000000",
    panel="#0000aa",
    text_alpha=1.0,
    variables={
        "block-cursor-background": CURSOR,
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "none",
        "block-hover-background": "#000000",
        "input-selection-background": "#00aaaa",
        "footer-key-foreground": "#ffff55",
        "footer-description-foreground": "#ffffff",
        "scrollbar": "#aaaaaa",
        "scrollbar-hover": "#aaaaaa",
        "scrollbar-active": "#ffffff",
        "scrollbar-background": "#000000",
        "scrollbar-background-hover": "#000000",
        "scrollbar-background-active": "#000000",
        "scrollbar-corner-color": "#000000",
        "text-muted": "#aaaaaa",
        "text-disabled": "#aaaaaa",
        "quiet": "#aaaaaa",
    },
)
THEMES = (_DARK, _LIGHT, _CONTRAST, _ASCII)


def choose(asked: str, environ: Mapping[str, str]) -> str:
    """The theme for a terminal: the one asked for, ASCII on consoles and serial lines, or dark."""
    if asked != AUTO:
        return asked
    terminal = environ.get("TERM", "dumb")
    return ASCII if terminal.startswith(_PLAIN_TERMINALS) else "dark"
