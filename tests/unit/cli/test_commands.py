"""The commands against a control socket: what they print, their JSON and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from appliance.cli.errors import Exit
from appliance.cli.main import COMMANDS, run
from appliance.control.client import Client
from appliance.ipc.mail import Target
from appliance.mail.views import CommandResult
from tests.support.control import MAIL
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from appliance.cli.main import run; run(['--help']);"
        "heavy = {'aiohttp', 'apsw', 'asyncio', 'cryptography', 'msgspec', 'uvloop'};"
        "sys.exit(f'loaded {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, (_, text) in COMMANDS.items():
        assert f"{name} " in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str, capsys: Capture) -> None:
    assert run([name, "--help"]) == Exit.OK
    assert "Usage: twinpost" in capsys.readouterr().out


def test_usage_errors(capsys: Capture) -> None:
    assert run(["statsu"]) == Exit.USAGE
    assert "see `twinpost --help`" in capsys.readouterr().err
    assert run(["queue", "hold"]) == Exit.USAGE
    assert "--all" in capsys.readouterr().err


def test_status(node: Node, capsys: Capture) -> None:
    assert node.run("status") == Exit.OK
    out = capsys.readouterr().out
    assert "Healthy: every message is on both nodes" in out
    assert "3 held" in out
    assert "127.0.0.10 on this node" in out


def test_status_with_an_alarm_is_a_negative_answer(node: Node, capsys: Capture) -> None:
    node.mail.shown = msgspec.structs.replace(MAIL, mode="solo", exposed=4)
    assert node.run("status") == Exit.NEGATIVE
    assert "CRITICAL: Solo: the peer is gone, 4 messages" in capsys.readouterr().out
    assert node.run("status", "--json") == Exit.NEGATIVE
    told = json.loads(capsys.readouterr().out)
    assert told["mode"] == "solo"
    assert [alarm["name"] for alarm in told["alarms"]] == ["solo"]


def test_a_node_that_is_not_running(data: Path, capsys: Capture) -> None:
    assert run(["status", "--data", str(data)]) == Exit.UNAVAILABLE
    err = capsys.readouterr().err
    assert "nobody serves" in err
    assert "→ start the node" in err


def test_a_directory_that_is_no_node(tmp_path: Path, capsys: Capture) -> None:
    assert run(["status", "--data", str(tmp_path)]) == Exit.BAD_CONFIG
    assert "node.toml: there is no such file" in capsys.readouterr().err


def test_queue_list(node: Node, capsys: Capture) -> None:
    assert node.run("queue", "list", "--status", "held", "--limit", "2") == Exit.OK
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].split() == [
        "QUEUE", "ID", "AGE", "SIZE", "STATUS", "SENDER", "RECIPIENTS",
    ]  # fmt: skip
    assert [line.split()[0] for line in captured.out.splitlines()[1:]] == ["Q1", "Q2"]
    assert "and more" in captured.err
    assert node.run("queue", "list", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert [entry["queue_id"] for entry in told["entries"]] == ["Q1", "Q2", "Q3", "Q4", "Q5"]
    assert told["more"] is False


def test_queue_show(node: Node, capsys: Capture) -> None:
    assert node.run("queue", "show", "q1") == Exit.OK
    assert "[0] <bob@site.test>: held" in capsys.readouterr().out
    assert node.run("queue", "show", "Q7") == Exit.NEGATIVE
    assert "no message Q7" in capsys.readouterr().err


def test_foreign_text_cannot_steer_the_terminal(node: Node, capsys: Capture) -> None:
    node.reader.sender = "a\x1b[2J\u202eb\x9b31m@site.test"
    for arguments in (("queue", "list"), ("queue", "list", "--json"), ("queue", "show", "Q1")):
        assert node.run(*arguments) == Exit.OK
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable()
        assert "\\x1b" in out or "\\u001b" in out


def test_queue_export(
    node: Node, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    content = b"Subject: x\r\n\r\n" + b"y" * 200_000
    assert node.run("queue", "export", "Q1") == Exit.OK
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == content
    assert node.run("queue", "export", "q1", "--to", str(tmp_path / "out")) == Exit.OK
    assert (tmp_path / "out" / "Q1.eml").read_bytes() == content
    assert node.run("queue", "export", "Q2", "--to", str(tmp_path / "out")) == Exit.NEGATIVE
    assert not (tmp_path / "out" / "Q2.eml").exists()


@pytest.mark.parametrize("action", ["hold", "release", "retry", "remove"])
def test_a_change_by_id(node: Node, action: str, capsys: Capture) -> None:
    assert node.run("queue", action, "q1", "Q2/3", "--yes") == Exit.OK
    ((told, targets, _, _),) = node.mail.told
    assert (told, list(targets)) == (action, [Target("Q1"), Target("Q2", (3,))])
    assert "2 recipients of 2 messages" in capsys.readouterr().out


def test_a_change_of_all_that_fits(node: Node) -> None:
    assert node.run("queue", "release", "--all", "--status", "held", "--recipient", "@x") == 0
    ((told, targets, _, _),) = node.mail.told
    assert told == "release"
    assert list(targets) == [Target(f"Q{number}", (0,)) for number in range(1, 6)]
    (asked,) = set(node.reader.asked)
    assert (asked.status, asked.recipient) == (("held",), "@x")


def test_redirect_needs_an_address(node: Node) -> None:
    assert node.run("queue", "redirect", "Q1") == Exit.USAGE
    assert node.run("queue", "redirect", "Q1", "--to", "carol@site.test") == Exit.OK
    assert node.mail.told[0][2] == "carol@site.test"


def test_remove_asks_first(node: Node, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert node.run("queue", "remove", "Q1") == Exit.USAGE
    assert "say --yes" in capsys.readouterr().err
    assert node.mail.told == []


def test_a_change_that_failed_is_a_negative_answer(node: Node, capsys: Capture) -> None:
    node.mail.results = [CommandResult(queue_id="Q1", error="owned by node b", hint="run it there")]
    assert node.run("queue", "hold", "Q1") == Exit.NEGATIVE
    assert "Q1: owned by node b → run it there" in capsys.readouterr().err


def test_mailboxes(node: Node, capsys: Capture) -> None:
    assert node.run("mailbox", "list") == Exit.OK
    assert "bob" in capsys.readouterr().out
    assert node.run("mailbox", "show", "bob", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["entries"][0]["queue_id"] == "Q1"


@pytest.mark.parametrize("form", ["mboxrd", "maildir", "eml"])
def test_mailbox_export(node: Node, tmp_path: Path, form: str, capsys: Capture) -> None:
    target = tmp_path / "export"
    arguments = ("mailbox", "export", "bob", "--format", form, "--to", str(target))
    assert node.run(*arguments) == Exit.OK
    files = [target] if target.is_file() else [one for one in target.rglob("*") if one.is_file()]
    (file,) = files
    assert b"Return-Path: <alice@site.test>" in file.read_bytes()
    assert node.run(*arguments) == Exit.CANNOT_WRITE
    assert "exists already" in capsys.readouterr().err


def test_config_check_and_show(data: Path, capsys: Capture) -> None:
    assert run(["config", "check", "--data", str(data)]) == Exit.OK
    assert "Nothing is wrong" in capsys.readouterr().out
    assert run(["config", "show", "--data", str(data)]) == Exit.OK
    assert "pair.adopt_delay = 1m" in capsys.readouterr().out
    assert run(["config", "show", "--json", "--data", str(data)]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["node"]["pair"]["adopt_delay"] == "1m"
    assert told["site"]["limits"]["message_size"] == "50MiB"


def test_config_check_tells_the_mistakes_of_both_files(data: Path, capsys: Capture) -> None:
    (data / "node.toml").write_text('nmae = "a"\n')
    (data / "site.toml").write_text("domains = []\n")
    assert run(["config", "check", "--data", str(data)]) == Exit.BAD_CONFIG
    err = capsys.readouterr().err
    assert "node.toml:1: nmae: unknown key (did you mean 'name'?)" in err
    assert "site.toml: a site needs a domain" in err


def test_salvage_says_what_came_of_it(node: Node, capsys: Capture, tmp_path: Path) -> None:
    assert node.run("salvage", str(tmp_path)) == Exit.OK
    out = capsys.readouterr().out
    assert "3 messages that were not here" in out
    assert "one row" in out
    assert "\x1b" not in out
    assert node.run("salvage", str(tmp_path / "nowhere")) == Exit.USAGE


def test_what_the_disk_refuses_is_told_in_a_line(
    node: Node, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    to = str(tmp_path / "file" / "folder")
    assert node.run("queue", "export", "Q1", "--to", to) == Exit.IO_ERROR
    assert f"{to}: Not a directory" in capsys.readouterr().err


def test_a_bug_is_not_taken_for_an_answer(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(Client, "mailboxes", lambda self: 1 / 0)
    assert node.run("mailbox", "list") == Exit.SOFTWARE
    assert "ZeroDivisionError" in capsys.readouterr().err
