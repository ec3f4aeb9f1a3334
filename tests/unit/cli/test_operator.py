"""twinpost operator, against the real control API."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from appliance.cli.demo_passwords import hand_out_to_operators
from appliance.cli.errors import Exit
from appliance.control.client import Client
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def listed(node: Node, capsys: Capture) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert node.run("operator", "list", "--json") == Exit.OK
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)["operators"]}


def test_an_operator_comes_and_goes(node: Node, capsys: Capture) -> None:
    assert node.run("operator", "list") == Exit.OK
    assert "operator add" in capsys.readouterr().out  # what to do first
    words = ("--role", "administrator", "--generate")
    assert node.run("operator", "add", "ann", *words) == Exit.OK
    said = capsys.readouterr()
    password = said.out.strip()
    assert len(password) == 19
    assert password not in said.err
    client = Client(node.data / "run" / "control.sock")
    client.log_in("ann", password)
    ann = listed(node, capsys)["ann"]
    assert (ann["role"], ann["disabled"], ann["sessions"]) == ("administrator", False, 1)
    for last in (("disable", "ann"), ("remove", "ann"), ("role", "ann", "viewer")):
        assert node.run("operator", *last) == Exit.NEGATIVE
        assert "last administrator" in capsys.readouterr().err
    assert node.run("operator", "add", "bob", *words) == Exit.OK
    assert node.run("operator", "role", "ann", "viewer") == Exit.OK
    assert node.run("operator", "disable", "ann") == Exit.OK
    assert listed(node, capsys)["ann"]["disabled"]
    assert node.run("operator", "list") == Exit.OK
    assert "disabled" in capsys.readouterr().out
    assert node.run("operator", "enable", "ann") == Exit.OK
    assert node.run("operator", "remove", "ann") == Exit.OK
    assert list(listed(node, capsys)) == ["bob"]
    assert node.run("operator", "remove", "ann") == Exit.NEGATIVE


def test_passwords_come_from_a_pipe(
    node: Node, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert node.run("operator", "add", "ann", "--role", "administrator", "--stdin") == Exit.OK
    monkeypatch.setattr("sys.stdin", io.StringIO("another one\n"))
    assert node.run("operator", "password", "ann", "--stdin") == Exit.OK
    assert Client(node.data / "run" / "control.sock").log_in("ann", "another one").token
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert node.run("operator", "password", "ann", "--stdin") == Exit.USAGE
    assert node.run("operator", "add", "bob", "--role", "emperor", "--stdin") == Exit.USAGE


def test_the_demos_operators(node: Node, tmp_path: Path) -> None:
    client = Client(node.data / "run" / "control.sock")
    new = hand_out_to_operators(tmp_path / "operators", client)
    assert sorted(new) == ["admin", "operator", "viewer"]
    assert client.log_in("admin", new["admin"]).role == "administrator"
    assert hand_out_to_operators(tmp_path / "operators", client) == {}
    assert (tmp_path / "operators").stat().st_mode & 0o077 == 0
