"""What comes from outside cannot change the screen; ASCII is ASCII, as wide as before."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.style import Style
from textual.content import Content

from tui.ascii import CURSOR, legible, plain
from tui.text import foreign


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J\x1b]0;title\x07",
        "[bold red]no markup[/] [@click=app.exit]x[/]",
        "\u202etxt.exe\u2066",
        "line\nline\r\tend",
        "e" + "\u0301" * 500,
        "\ufe0f\u200d👩\u200d🚀",
        b"\xff\xfe bytes",
    ],
)
def test_foreign_text_is_one_line_of_plain_characters(text: str | bytes) -> None:
    shown = foreign(text, 100)
    assert shown.plain.isprintable()
    assert not shown.spans
    assert "\u202e" not in shown.plain
    assert "\n" not in shown.plain


def test_foreign_text_is_cut() -> None:
    assert len(foreign("x" * 10_000_000, 80).plain) == 80


def test_marks_and_selectors_that_terminals_draw_differently_are_left_out() -> None:
    assert foreign("e" + "\u0301" * 9).plain == "é" + "\u0301" * 2
    assert foreign("❤\ufe0f").plain == "❤"
    assert foreign("می\u200cخواهم").plain == "میخواهم"


def test_style_is_not_taken_from_the_text() -> None:
    shown = foreign("[red]x[/]", style="bold")
    assert [span.style for span in shown.spans] == ["bold"]
    assert Content.assemble("a ", shown).plain == "a [red]x[/]"


@pytest.mark.parametrize("text", ["─│┌┐╰╯", "▁▂▃█░", "→ ● ✖ …", "José Müller", "日本語", "🚢", "ﬃ"])
def test_ascii_is_as_wide_as_what_it_replaces(text: str) -> None:
    assert plain(text).isascii()
    assert cell_len(plain(text)) == cell_len(text)
    assert plain(text).isprintable()


def test_ascii_keeps_letters_readable() -> None:
    assert plain("José Müller") == "Jose Muller"


def test_under_the_cursor_all_is_black_and_none_is_bold() -> None:
    for color in ("#000000", "#ff5555", "#aaaaaa"):
        seen = legible(Style(color=color, bgcolor=CURSOR, bold=True, underline=True))
        assert seen == Style(color="#000000", bgcolor=CURSOR, bold=False, underline=True)
    elsewhere = Style(color="#ff5555", bgcolor="#0000aa", bold=True)
    assert legible(elsewhere) is elsewhere
