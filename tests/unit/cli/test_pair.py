"""Pairing two data directories from the command line, over real sockets."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.cli.main import run

Capture = pytest.CaptureFixture[str]


def make_node(folder: Path, name: str) -> Path:
    """A data directory whose endpoints are free."""
    with (
        socket.create_server(("127.0.0.1", 0)) as link,
        socket.create_server(("127.0.0.1", 0)) as pairing,
    ):
        ports = link.getsockname()[1], pairing.getsockname()[1]
    data = folder / name
    data.mkdir()
    (data / "node.toml").write_text(
        f"""\
name = "{name}"
hostname = "{name}.site.test"
smtp.listen = ["127.0.0.1:0"]
link.listen = "127.0.0.1:{ports[0]}"
link.pairing = "127.0.0.1:{ports[1]}"
"""
    )
    (data / "site.toml").write_text('domains = ["site.test"]\n')
    return data


def start(*arguments: str) -> subprocess.Popen[str]:
    """A command in a process of its own, as the other node would run it."""
    return subprocess.Popen(
        [sys.executable, "-m", "appliance.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PYTHONUNBUFFERED": "1"},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, all it said)."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def invite(data: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """`pair init` waiting, and the arguments of the `pair join` it asks for."""
    inviting = start("pair", "init", "--data", str(data))
    assert inviting.stdout is not None
    for line in inviting.stdout:
        if "pair join" in line:
            return inviting, line.split()[1:]
    raise AssertionError("no code was shown")


def test_two_nodes_pair(tmp_path: Path, capsys: Capture) -> None:
    a, b = make_node(tmp_path, "a"), make_node(tmp_path, "b")
    inviting, joining = invite(a)
    for process in (start(*joining, "--data", str(b)), inviting):
        code, said = finish(process)
        assert code == Exit.OK, said
        assert "Paired with node" in said
    known = [json.loads((data / "keys" / "pair.json").read_text()) for data in (a, b)]
    assert known[0]["authority_certificate"] == known[1]["authority_certificate"]
    assert known[0]["peer"]["public_key"] != known[1]["peer"]["public_key"]
    assert run(["pair", "init", "--data", str(a)]) == Exit.NEGATIVE
    assert "→ to pair with a replacement" in capsys.readouterr().err


def test_a_code_that_is_mistyped_or_wrong(tmp_path: Path, capsys: Capture) -> None:
    a, b = make_node(tmp_path, "a"), make_node(tmp_path, "b")
    inviting, joining = invite(a)
    try:
        wrong = [*joining[:-1], joining[-1][:-1] + "?"]
        assert run([*wrong, "--data", str(b)]) == Exit.USAGE
        assert not (b / "keys" / "pair.json").exists()
        assert run([*joining[:3], "127.0.0.1:1", joining[-1], "--data", str(b)]) == Exit.NEGATIVE
        assert "does not answer" in capsys.readouterr().err
    finally:
        inviting.kill()
        inviting.communicate()


def test_a_node_without_a_peer(tmp_path: Path, capsys: Capture) -> None:
    a = make_node(tmp_path, "a")
    assert run(["pair", "status", "--data", str(a)]) == Exit.NEGATIVE
    assert "is not paired" in capsys.readouterr().out
    assert run(["pair", "status", "--json", "--data", str(a)]) == Exit.NEGATIVE
    assert json.loads(capsys.readouterr().out)["peer"] is None
