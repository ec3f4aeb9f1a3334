"""`twinpost config` on the site of a pair."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import msgspec
import pytest

from appliance.cli.errors import Exit
from appliance.replica.site_versions import SiteVersion
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def branch(node: Node, document: dict[str, object]) -> str:
    """A change that the other node made at the same time as the one in force."""
    parent = node.site.head.parent
    raw = msgspec.json.encode(document, order="sorted")
    return node.site.add(SiteVersion(parent, 2, 0, b"", "bob", 0, "", (), raw))


def imported(node: Node, file: Path, text: str, *options: str) -> int:
    file.write_text(text)
    return node.run("config", "import", str(file), *options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new.toml"


CHANGED = 'domains = ["site.test"]\n[users.bob]\n[users.carol]\nmailbox = "box"\n'


def test_an_export_is_imported_as_a_new_version(node: Node, file: Path, capsys: Capture) -> None:
    assert node.run("config", "export", "--to", str(file)) == Exit.OK
    text = file.read_text()
    assert text.startswith("# Made from version 1: ")
    assert imported(node, file, text + "\n[users.carol]\n", "--comment", "carol is new") == Exit.OK
    out = capsys.readouterr().out
    assert out.startswith("+ users.carol = {}\nVersion 2 (")
    assert out.endswith(") is in force.\n")
    version = node.site.versions[node.site.head.id]
    assert version.author == getpass.getuser()
    assert version.comment == "carol is new"
    assert node.run("config", "history") == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "2"
    assert "in force" in lines[1]
    assert lines[1].endswith("carol is new")
    assert "site.toml" in lines[2]


def test_an_export_to_standard_output(node: Node, capsys: Capture) -> None:
    assert node.run("config", "export") == Exit.OK
    assert '\ndomains = ["site.test"]\n\n[users.bob]\n' in capsys.readouterr().out


def test_nothing_changes(node: Node, file: Path, capsys: Capture) -> None:
    assert imported(node, file, 'domains = ["site.test"]\n[users.bob]\n') == Exit.OK
    assert capsys.readouterr().out.startswith("Version 1 (")
    assert len(node.site.versions) == 1


def test_a_dry_run(node: Node, file: Path, capsys: Capture) -> None:
    assert imported(node, file, CHANGED, "--dry-run") == Exit.OK
    assert capsys.readouterr().out.startswith('+ users.carol.mailbox = "box"\nVersion 1 (')
    assert len(node.site.versions) == 1


def test_mistakes_are_told_before_anything_is_asked(
    node: Node, file: Path, capsys: Capture
) -> None:
    assert imported(node, file, 'domain = ["site.test"]\n') == Exit.BAD_CONFIG
    assert "new.toml:1: domain: unknown key (did you mean 'domains'?)" in capsys.readouterr().err
    assert node.run("config", "check", str(file)) == Exit.BAD_CONFIG
    file.write_text(CHANGED)
    assert node.run("config", "check", str(file)) == Exit.OK
    assert node.run("config", "import", str(file.parent / "none")) == Exit.NO_INPUT


def test_who_changed_it_first_is_not_overwritten(node: Node, file: Path, capsys: Capture) -> None:
    node.run("config", "export", "--to", str(file))
    old = file.read_text()
    assert imported(node, file, CHANGED) == Exit.OK
    assert imported(node, file, old + CHANGED.partition("\n")[2].replace("[users.bob]", "")) == 0
    assert node.site.head.number == 2  # somebody else had made the same change
    assert imported(node, file, old) == Exit.NEGATIVE
    assert "changed meanwhile" in capsys.readouterr().err
    assert imported(node, file, old, "--replace") == Exit.OK
    assert node.site.head.number == 3


def test_what_a_version_changed(node: Node, file: Path, capsys: Capture) -> None:
    imported(node, file, CHANGED)
    assert imported(node, file, CHANGED.replace('"box"', '"other"')) == Exit.OK
    capsys.readouterr()
    assert node.run("config", "diff") == Exit.OK
    assert capsys.readouterr().out == '~ users.carol.mailbox = "box" → "other"\n'
    assert node.run("config", "diff", "1", "2") == Exit.OK
    assert capsys.readouterr().out == '+ users.carol.mailbox = "box"\n'
    assert node.run("config", "diff", "3", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"changes": []}
    assert node.run("config", "diff", "9") == Exit.NEGATIVE


def test_going_back(node: Node, file: Path, capsys: Capture) -> None:
    imported(node, file, CHANGED)
    capsys.readouterr()
    assert node.run("config", "rollback", "1", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["version"]["number"] == 3
    assert told["version"]["comment"].startswith("back to version 1 (")
    assert told["changes"] == [{"key": "users.carol.mailbox", "before": '"box"', "after": None}]
    assert node.run("config", "rollback", "1") == Exit.OK
    assert node.site.head.number == 3  # it says the same


def test_taking_a_branch(node: Node, file: Path, capsys: Capture) -> None:
    imported(node, file, CHANGED)
    id_ = branch(node, {"domains": ["site.test"], "users": {"dave": {}}})
    assert node.run("config", "history") == Exit.OK
    assert "BRANCH" in capsys.readouterr().out
    assert node.run("config", "rollback", id_[:10]) == Exit.OK
    assert not node.site.lineage.branches
    assert "dave" in node.site.view({}).document["users"]  # type: ignore[operator]


def test_keeping_what_is_in_force(node: Node, file: Path, capsys: Capture) -> None:
    imported(node, file, CHANGED)
    assert node.run("config", "settle") == Exit.NEGATIVE
    branch(node, {"domains": ["site.test"], "users": {"bob": {"disabled": True}}})
    assert node.run("config", "settle") == Exit.OK
    assert not node.site.lineage.branches
    assert node.site.version("head", {}).document["users"]["bob"] == {  # type: ignore[index]
        "disabled": True
    }
    assert "Version 3" in capsys.readouterr().out


def test_an_exported_version_as_json(node: Node, capsys: Capture) -> None:
    assert node.run("config", "export", "--version", "1", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["document"]["domains"] == ["site.test"]
    assert node.run("config", "export", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["head"]["number"] == 1


def test_a_file_that_cannot_be_written(node: Node, tmp_path: Path, capsys: Capture) -> None:
    to = str(tmp_path / "none" / "x.toml")
    assert node.run("config", "export", "--to", to) == Exit.CANNOT_WRITE
    assert "No such file" in capsys.readouterr().err
