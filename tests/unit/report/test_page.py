"""The page runs nothing, loads nothing, and shows what came from outside as text."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser

import msgspec
import pytest

from appliance.report.content import Report, State, Trouble
from appliance.report.page import page
from tests.unit.report.values import report

_VOID = {"meta", "path"}


@dataclass
class Seen(HTMLParser):
    """Elements, attributes and text of a page whose elements are all closed."""

    tags: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def seen(value: Report) -> Seen:
    found = Seen()
    found.feed(page(value).decode())
    found.close()
    assert found.open == []
    return found


def test_it_needs_nothing_and_runs_nothing() -> None:
    found, html = seen(report()), page(report()).decode()
    assert not found.tags & {"script", "link", "img", "iframe", "object", "form", "a", "base"}
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "href", "style", "srcset", "action"}
    assert "url(" not in html
    assert "@import" not in html


def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    html = page(report()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_what_comes_from_outside_is_text() -> None:
    evil = '</td><script>alert(1)</script><img src=x onerror="alert(2)">'
    trouble = Trouble(node=evil, state=State.CRITICAL, text=evil, hint=evil)
    value = report()
    chart = msgspec.structs.replace(value.charts[0], title=evil)
    figure = msgspec.structs.replace(value.figures[0], title=evil, text=evil, group=evil)
    table = msgspec.structs.replace(value.tables[0], title=evil, heads=(evil,), rows=((evil,),))
    found = seen(
        msgspec.structs.replace(
            value,
            site=evil,
            node=evil,
            release=evil,
            key=evil,
            nodes=(evil, "b"),
            troubles=(trouble,),
            charts=(chart,),
            figures=(figure,),
            tables=(table,),
            glance=(msgspec.structs.replace(value.glance[0], name=evil, value=evil, note=evil),),
            outlook=(msgspec.structs.replace(value.outlook[0], what=evil, text=evil),),
            configuration=(table,),
        )
    )
    assert not found.tags & {"script", "img"}
    assert sum(evil in text for text in found.text) >= 15


def test_the_page_tells_the_figures_of_the_value() -> None:
    value = report()
    text = " ".join(seen(value).text)
    for figure in value.figures:
        assert figure.text in text
        assert float(figure.text.replace(",", "")) == figure.value
    for tile in value.glance:
        assert tile.value in text
    for look in value.outlook:
        assert look.text in text


@pytest.mark.parametrize(
    "state, verdict",
    [
        (State.GOOD, "All is well."),
        (State.ATTENTION, "Something needs attention."),
        (State.CRITICAL, "Something is wrong."),
    ],
)
def test_the_verdict_is_the_worst_of_all(state: State, verdict: str) -> None:
    value = report()
    tiles = tuple(msgspec.structs.replace(one, state=State.GOOD) for one in value.glance[:2])
    looks = (msgspec.structs.replace(value.outlook[0], state=state),)
    value = msgspec.structs.replace(value, glance=tiles, troubles=(), outlook=looks)
    assert value.state is state
    assert verdict in "".join(seen(value).text)


def test_it_is_a_pure_function() -> None:
    assert page(report()) == page(report())
    again = msgspec.json.decode(msgspec.json.encode(report()), type=Report)
    assert page(again) == page(report())
