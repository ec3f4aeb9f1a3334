"""`twinpost search`: what it prints, its JSON and exit codes."""

from __future__ import annotations

import json

import msgspec
import pytest

from appliance.cli.errors import Exit
from appliance.ipc.search import SearchPage
from tests.support.search import HIT, VIEW
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def test_hits(node: Node, capsys: Capture) -> None:
    assert node.run("search", "tide") == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "Q1  2026-09-21 14:13Z  2.0 KiB  delivered",
        "  <alice@site.test> → a@x.test, b@x.test, c@x.test and 1 more",
        "  Tide tables",
        "    the tide of spring",
        "",
    ]
    assert node.search.asked == [("tide", 20, "", True)]


def test_words_become_one_query_again(node: Node) -> None:
    query = ["from:anna", "tide tables", "NOT", 'subject:"the ebb"', "-draft"]
    assert node.run("search", "--limit", "5", "--after", "9", *query) == Exit.OK
    expected = 'from:anna "tide tables" NOT subject:"the ebb" -draft'
    assert node.search.asked == [(expected, 5, "9", True)]


def test_nothing(node: Node, capsys: Capture) -> None:
    node.search.page = SearchPage(hits=())
    assert node.run("search", "tide") == Exit.NEGATIVE
    assert capsys.readouterr().out == "Nothing found.\n"


def test_what_an_answer_lacks_is_said(node: Node, capsys: Capture) -> None:
    node.search.page = SearchPage(
        hits=(), after="17", searched_to=1_790_000_000_000, missing="it is being built"
    )
    assert node.run("search", "tide") == Exit.OK
    said = capsys.readouterr()
    assert said.out == "Nothing found so far.\n"
    assert said.err.splitlines() == [
        "… searched back to 2026-09-21 14:13Z",
        "… there may be more: it is being built",
        "… older ones: the same with --after 17",
    ]


def test_json(node: Node, capsys: Capture) -> None:
    assert node.run("search", "tide", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["hits"] == [json.loads(msgspec.json.encode(HIT))]


def test_a_mistake_comes_with_its_hint(node: Node, capsys: Capture) -> None:
    assert node.run("search", "form:anna") == Exit.USAGE
    assert "did you mean from:?" in capsys.readouterr().err
    assert node.run("search") == Exit.USAGE


def test_without_the_process(node: Node) -> None:
    node.search.up = False
    assert node.run("search", "tide") == Exit.TEMPORARY


def test_status(node: Node, capsys: Capture) -> None:
    assert node.run("search", "status") == Exit.OK
    assert capsys.readouterr().out == ("7 messages can be found, 4.0 KiB in 1 partition; idle.\n")
    node.search.views = [
        msgspec.structs.replace(VIEW, waiting=2, lag=3000, damaged=1, complete=False)
    ]
    assert node.run("search", "status") == Exit.OK
    assert capsys.readouterr().out.splitlines()[1:] == [
        "2 messages cannot be found yet; there have been some for 3 s.",
        "1 damaged partition will be rebuilt from the spool.",
        "The index is not complete yet.",
    ]
    assert node.run("search", "status", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["waiting"] == 2


def test_reindex_shows_its_progress(node: Node, capsys: Capture) -> None:
    half = msgspec.structs.replace(VIEW, documents=3, complete=False, activity="indexing")
    node.search.views = [half, VIEW]
    assert node.run("search", "reindex") == Exit.OK
    said = capsys.readouterr()
    assert "3 of 7 messages (42 %), indexing" in said.err
    assert said.out.startswith("7 messages can be found")
    assert len(node.search.told) == 1
    assert node.run("search", "reindex", "--no-wait") == Exit.OK
