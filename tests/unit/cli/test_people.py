"""twinpost user and alias, against the real control API."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from appliance.cli.demo_passwords import hand_out
from appliance.cli.errors import Exit
from appliance.cli.main import run
from appliance.config.document import ConfigError
from appliance.config.site_document import decoded
from appliance.control.client import Client
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.people import PeopleApi
from appliance.control.server import Api, Public
from appliance.mail.reply import Refused, Reply
from appliance.services.passwords import Passwords
from tests.support.control import Failover, Mail, Reader, Tls, handlers
from tests.support.routes import Delivery
from tests.support.site import MemorySite
from tests.unit.cli.conftest import NODE

Capture = pytest.CaptureFixture[str]


class Site(MemorySite):
    """With registers; refuses documents that can't be used, as the mail process does."""

    def __init__(self) -> None:
        super().__init__({"domains": ["site.test"], "users": {"bob": {}}})
        self.tables: dict[str, dict[str, bytes]] = {}

    def table(self, name: str) -> Mapping[str, bytes]:
        return self.tables.get(name, {})

    async def put_registers(
        self, values: Sequence[tuple[str, str, bytes | None]], while_alone: bool
    ) -> None:
        for table, key, value in values:
            if value is None:
                self.tables.setdefault(table, {}).pop(key, None)
            else:
                self.tables.setdefault(table, {})[key] = value

    async def change_site(
        self,
        document: bytes,
        parent: str,
        by: str,
        comment: str,
        settles: Sequence[str],
        while_alone: bool,
    ) -> str:
        try:
            decoded(document, "the new version")
        except ConfigError as error:
            raise Refused(Reply(450, "4.3.0", str(error))) from error
        return await super().change_site(document, parent, by, comment, settles, while_alone)


class Node:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.site = Site()
        self.told: list[Mapping[str, object]] = []
        self.client = Client(data / "run" / "control.sock")

    def run(self, *words: str) -> int:
        return run([*words, "--data", str(self.data)])

    def emit(self, event: str, **fields: object) -> None:
        self.told.append(fields)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "node.toml").write_text(NODE)
    (tmp_path / "run").mkdir()
    node, mail = Node(tmp_path), Mail()
    moves = Moves(Failover(), mail, tmp_path / "maintenance")
    identity = Identity("a", "a.site.test", "1.0", (), True)
    observer = Observer(
        identity, tmp_path, tmp_path / "none", Reader(), mail, moves, Tls(), Delivery(), dict
    )
    loop = asyncio.new_event_loop()
    stop, up = asyncio.Event(), threading.Event()

    async def serve() -> None:
        api = handlers()
        Api(observer).add_to(api)
        PeopleApi(observer, node.site, node.site, Passwords(), node.emit).add_to(api)
        path = tmp_path / "run" / "control.sock"
        async with serving(api.application, path, Public(observer, []).application(), []):
            up.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(60)
    yield node
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
    observer.close()


def listed(node: Node, capsys: Capture) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert node.run("user", "list", "--json") == Exit.OK
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)["users"]}


def test_a_user_comes_and_goes(node: Node, capsys: Capture) -> None:
    words = ("--address", "a@site.test", "--may-send-as", "@site.test")
    assert node.run("user", "add", "ann", "--generate", *words) == Exit.OK
    assert len(capsys.readouterr().out.strip()) == 19
    ann = listed(node, capsys)["ann"]
    assert (ann["addresses"], ann["may_send_as"]) == (["a@site.test"], ["@site.test"])
    assert ann["password_set_at"]
    assert not ann["disabled"]
    assert node.run("user", "disable", "ann") == Exit.OK
    assert listed(node, capsys)["ann"]["disabled"]
    assert node.run("user", "enable", "ann") == Exit.OK
    assert not listed(node, capsys)["ann"]["disabled"]
    assert node.run("user", "show", "ann") == Exit.OK
    assert "a@site.test" in capsys.readouterr().out
    assert node.run("user", "remove", "ann") == Exit.OK
    assert "ann" not in listed(node, capsys)
    assert not node.site.table("credentials")
    for command in ("remove", "disable", "enable", "show"):
        assert node.run("user", command, "ann") == Exit.NEGATIVE


def test_the_document_may_disable_a_user_too(node: Node, capsys: Capture) -> None:
    assert node.run("user", "add", "ann", "--no-password") == Exit.OK
    assert listed(node, capsys)["ann"]["password_set_at"] is None
    assert node.run("user", "add", "ann", "--no-password") == Exit.NEGATIVE
    assert node.run("user", "add", "no name", "--no-password") == Exit.NEGATIVE


def test_a_former_users_password_is_nobodys(node: Node, capsys: Capture) -> None:
    node.site.tables["credentials"] = {"ann": b"old"}
    node.site.tables["disabled"] = {"ann": b"root"}
    assert node.run("user", "add", "ann", "--no-password") == Exit.OK
    assert not node.site.table("credentials")
    assert not listed(node, capsys)["ann"]["disabled"]


def test_passwords_from_standard_input(
    node: Node, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given(text: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return node.run("user", "password", "bob", "--stdin")

    assert given("correct horse\n") == Exit.OK
    assert listed(node, capsys)["bob"]["password_set_at"]
    assert given("") == Exit.NO_INPUT
    assert given("short\n") == Exit.USAGE
    assert node.run("user", "password", "bob", "--stdin", "--generate") == Exit.USAGE
    assert node.run("user", "password", "bob", "secret as argument") == Exit.USAGE
    assert node.run("user", "password", "nobody", "--generate") == Exit.NEGATIVE
    assert [one["action"] for one in node.told] == ["set password"]
    assert "horse" not in str(node.told)


def test_users_from_csv(node: Node, capsys: Capture, tmp_path: Path) -> None:
    file, passwords = tmp_path / "users.csv", tmp_path / "passwords.csv"
    file.write_text('name,password,addresses\nann,"long, enough",\nbob,,\ncarl,,c@site.test\n')
    assert node.run("user", "import", str(file)) == Exit.NEGATIVE
    assert list(listed(node, capsys)) == ["bob"]
    words = ("--skip-existing", "--passwords", str(passwords))
    assert node.run("user", "import", str(file), *words) == Exit.OK
    found = listed(node, capsys)
    assert found["carl"]["addresses"] == ["c@site.test"]
    assert found["ann"]["password_set_at"]
    assert found["carl"]["password_set_at"]
    assert found["bob"]["password_set_at"] is None
    rows = passwords.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["name", "carl"]
    assert passwords.stat().st_mode & 0o777 == 0o600
    file.write_text("name\ndora\n")
    assert node.run("user", "import", str(file), *words) == Exit.CANNOT_WRITE
    assert "dora" not in listed(node, capsys)


@pytest.mark.parametrize(
    "text",
    ["", "password\nx\n", "name,passwort\nx,y\n", "name\nx,y\n", "name,password\nx\n", "name\n,\n"],
)
def test_a_csv_that_is_wrong_changes_nothing(
    node: Node, capsys: Capture, tmp_path: Path, text: str
) -> None:
    (tmp_path / "users.csv").write_text(text)
    assert node.run("user", "import", str(tmp_path / "users.csv")) == Exit.BAD_DATA
    assert node.run("user", "import", str(tmp_path / "none.csv")) == Exit.NO_INPUT
    assert list(listed(node, capsys)) == ["bob"]


def test_aliases(node: Node, capsys: Capture, tmp_path: Path) -> None:
    assert node.run("alias", "add", "all@site.test", "bob") == Exit.OK
    assert node.run("alias", "add", "ALL@site.test", "bob") == Exit.NEGATIVE
    assert node.run("alias", "add", "x@site.test", "nobody") == Exit.NEGATIVE
    assert node.run("alias", "add", "y@site.test", "y@site.test") == Exit.NEGATIVE
    assert node.run("user", "remove", "bob") == Exit.NEGATIVE
    file = tmp_path / "aliases.csv"
    file.write_text("address,to\nteam@site.test,bob all@site.test\nAll@site.test,bob\n")
    assert node.run("alias", "import", str(file)) == Exit.NEGATIVE
    assert node.run("alias", "import", str(file), "--replace") == Exit.OK
    capsys.readouterr()
    assert node.run("alias", "list", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {
        "aliases": [
            {"address": "all@site.test", "to": ["bob"]},
            {"address": "team@site.test", "to": ["bob", "all@site.test"]},
        ]
    }
    assert node.run("alias", "remove", "ALL@SITE.test") == Exit.NEGATIVE  # team needs it
    assert node.run("alias", "remove", "team@site.test") == Exit.OK
    assert node.run("alias", "remove", "ALL@SITE.test") == Exit.OK
    assert node.run("alias", "remove", "all@site.test") == Exit.NEGATIVE


def test_the_demo_hands_passwords_out_once(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    new = hand_out(path, node.client)
    assert list(new) == ["bob"]
    assert path.read_text() == f"bob {new['bob']}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not hand_out(path, node.client)
    # A demo that died in between: what the file says counts.
    node.site.tables.clear()
    assert hand_out(path, node.client) == new
