"""A report as one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from hashlib import sha256
from html import escape

from appliance.report.chart import drawn, legend
from appliance.report.content import Chart, Report, State, Table
from appliance.report.style import STYLE
from appliance.report.words import moment

_VERDICTS = {
    State.GOOD: "All is well.",
    State.UNKNOWN: "Not enough is known to say.",
    State.ATTENTION: "Something needs attention.",
    State.CRITICAL: "Something is wrong.",
}
_MARKS = {
    State.GOOD: "good",
    State.UNKNOWN: "unknown",
    State.ATTENTION: "attention",
    State.CRITICAL: "critical",
}


def page(report: Report) -> bytes:
    """The whole file, without a signature."""
    allowed = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
    title = f"Health of {report.site}, {moment(report.made_at)}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        f" style-src 'sha256-{allowed}'\">\n",
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        *_head(report),
        *_glance(report),
        *_troubles(report),
        *_outlook(report),
        *_figures(report),
        *_charts(report),
        *_facts(report),
        *(part for table in report.tables for part in _table(table, 2)),
        *_configuration(report),
        *_foot(report),
        "</body>\n</html>\n",
    ]
    return "".join(parts).encode("utf-8", "backslashreplace")


def _mark(state: State) -> str:
    return f'<span class="mark {state}">{_MARKS[state]}</span>'


def _head(report: Report) -> Iterator[str]:
    state = report.state
    since = moment(report.since)
    yield f"<header>\n<h1>Health of {escape(report.site)}</h1>\n"
    yield (
        f'<p class="sub">{moment(report.made_at)}, since {since}; made by node'
        f" {escape(report.node)} with Twinpost {escape(report.release)}"
    )
    yield "; names and addresses are pseudonyms</p>\n" if report.redacted else "</p>\n"
    bad = [one for one in report.troubles if one.state is not State.GOOD]
    more = f" {len(bad)} {'thing' if len(bad) == 1 else 'things'} to look at." if bad else ""
    yield f'<div class="verdict {state}">{_VERDICTS[state]}{more}</div>\n</header>\n'


def _glance(report: Report) -> Iterator[str]:
    yield '<section class="tiles">\n'
    for tile in report.glance:
        note = f'<div class="note">{escape(tile.note)}</div>' if tile.note else ""
        mark = "" if tile.state in (State.GOOD, State.UNKNOWN) else f" {_mark(tile.state)}"
        yield (
            f'<div class="tile {tile.state}"><div class="name">{escape(tile.name)}{mark}</div>'
            f'<div class="value">{escape(tile.value)}</div>{note}</div>\n'
        )
    yield "</section>\n"


def _troubles(report: Report) -> Iterator[str]:
    yield "<section>\n<h2>What needs attention now</h2>\n"
    if not report.troubles:
        yield '<p class="none">Nothing.</p>\n'
    for one in report.troubles:
        node = f"{escape(one.node)}: " if one.node else ""
        hint = f'<div class="hint">→ {escape(one.hint)}</div>' if one.hint else ""
        yield (
            f'<div class="trouble {one.state}">{_mark(one.state)} {node}{escape(one.text)}{hint}'
            "</div>\n"
        )
    yield "</section>\n"


def _outlook(report: Report) -> Iterator[str]:
    yield "<section>\n<h2>What will run out, and when</h2>\n"
    yield "<table><thead><tr><th>What</th><th>Node</th><th>Now</th><th>Goes</th>"
    yield "<th>Runs out</th></tr></thead><tbody>\n"
    for one in report.outlook:
        mark = "" if one.state is State.GOOD else f"{_mark(one.state)} "
        cells = (one.what, one.node, one.now, one.trend)
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        yield f"<td>{mark}{escape(one.text)}</td></tr>\n"
    yield "</tbody></table>\n</section>\n"


def _figures(report: Report) -> Iterator[str]:
    nodes = dict.fromkeys((*report.nodes, *(one.node for one in report.figures)))
    told = {(one.group, one.title, one.node): one.text for one in report.figures}
    yield "<section>\n<h2>What happened</h2>\n<table>\n"
    for group in dict.fromkeys(one.group for one in report.figures):
        heads = [f"node {node}" if node else "together" for node in nodes]
        yield f"<thead><tr><th>{escape(group)}</th>"
        yield "".join(f'<th class="n">{escape(head)}</th>' for head in heads)
        yield "</tr></thead><tbody>\n"
        for title in dict.fromkeys(one.title for one in report.figures if one.group == group):
            cells = [told.get((group, title, node), "") for node in nodes]
            yield f"<tr><td>{escape(title)}</td>"
            yield "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells) + "</tr>\n"
        yield "</tbody>\n"
    yield "</table>\n</section>\n"


def _charts(report: Report) -> Iterator[str]:
    yield '<section class="over-time">\n<h2>Over time</h2>\n'
    yield '<p class="sub">Thin lines: the greatest of each part. Gaps: nothing is known.</p>\n'
    yield '<div class="charts">\n'
    yield from (_figure(chart) for chart in report.charts)
    yield "</div>\n</section>\n"


def _figure(chart: Chart) -> str:
    image = drawn(chart) or '<p class="none">Nothing is known.</p>'
    keys = "".join(f"{key}{escape(label)}" for label, key in legend(chart))
    keys = f' <span class="legend">{keys}</span>' if keys else ""
    return f"<figure><figcaption>{escape(chart.title)}{keys}</figcaption>{image}</figure>\n"


def _facts(report: Report) -> Iterator[str]:
    yield '<section>\n<h2>The nodes</h2>\n<table class="wide"><thead><tr><th></th>'
    yield "".join(f"<th>node {escape(node)}</th>" for node in report.nodes)
    yield "</tr></thead><tbody>\n"
    for row in report.facts:
        yield f"<tr><td>{escape(row.name)}</td>"
        yield "".join(f"<td>{escape(value)}</td>" for value in row.values) + "</tr>\n"
    yield "</tbody></table>\n</section>\n"


def _table(table: Table, level: int, kind: str = "") -> Iterator[str]:
    yield f"<section>\n<h{level}>{escape(table.title)}</h{level}>\n"
    if not table.rows:
        yield f'<p class="none">{escape(table.note or "None.")}</p>\n</section>\n'
        return
    yield f'<table class="{kind}">' if kind else "<table>"
    if any(table.heads):
        heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
        yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>\n"
    for row in table.rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n"
    yield "</tbody></table>\n</section>\n"


def _configuration(report: Report) -> Iterator[str]:
    yield "<section>\n<h2>Settings</h2>\n"
    for table in report.configuration:
        yield from _table(table, 3, "wide")
    yield "</section>\n"


def _foot(report: Report) -> Iterator[str]:
    yield "<footer>Times are those of the node's clock, in UTC. "
    if report.redacted:
        yield (
            "What a pseudonym stands for, the node that made this knows: "
            "<code>twinpost report reveal NAME</code>. "
        )
    yield (
        f"Signed with key {escape(report.key)}: <code>twinpost report verify FILE --key PUB</code>"
        " says whether it is as it was made."
    )
    yield "</footer>\n"
