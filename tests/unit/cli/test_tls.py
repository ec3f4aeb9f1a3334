"""`twinpost tls`: what it prints and does, over the real API, with registers in memory."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from appliance.cli.errors import Exit
from appliance.cli.main import run
from appliance.cli.tls import lines
from appliance.control.listen import serving
from appliance.control.moves import Moves
from appliance.control.observer import Identity, Observer
from appliance.control.server import Api, Public
from appliance.control.tls import TlsApi
from appliance.mail.reply import Refused, Reply
from appliance.trust.authority import new_key
from appliance.trust.certificate import key_pem
from appliance.trust.revocation import Revoked
from appliance.trust.view import TlsDesk
from tests.support.control import CERTIFICATE, TLS, Failover, Mail, Reader, handlers
from tests.support.trust import NOW, authority
from tests.unit.trust.test_keeper import START
from tests.unit.trust.test_keeper import Node as Keeping

Capture = pytest.CaptureFixture[str]


class Registers:
    """The mail process: writes registers, and acts on them."""

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping
        self.alone = False

    async def put_registers(
        self, values: Sequence[tuple[str, str, bytes | None]], while_alone: bool
    ) -> None:
        if self.alone and not while_alone:
            raise Refused(Reply(450, "4.3.0", "the pair is solo"), "wait for it")
        table = {**self.keeping.table, **{key: value for _, key, value in values}}
        self.keeping.table = {key: value for key, value in table.items() if value is not None}
        self.keeping.keeper.heed(self.keeping.table)


class Node:
    """A node with its API."""

    def __init__(self, data: Path, registers: Registers) -> None:
        self.data = data
        self.registers = registers

    def run(self, *arguments: str) -> int:
        return run(["tls", *arguments, "--data", str(self.data)])


@pytest.fixture
def node(data: Path) -> Iterator[Node]:
    (data / "keys").mkdir()
    keeping = Keeping(data / "keys")
    registers = Registers(keeping)
    desk = TlsDesk(
        data / "keys",
        lambda name: keeping.table,
        lambda: round(START.timestamp() * 1000),
        lambda: b"new",
        lambda: "site.test",
    )
    mail = Mail()
    moves = Moves(Failover(), mail, data / "maintenance")
    identity = Identity("a", "a.site.test", "1.0", (), True)
    observer = Observer(identity, data, data / "none", Reader(), mail, moves, desk)
    loop = asyncio.new_event_loop()
    stop, up = asyncio.Event(), threading.Event()

    async def serve() -> None:
        api = handlers()
        Api(observer).add_to(api)
        TlsApi(observer, desk, registers).add_to(api)
        public = Public(observer, []).application()
        async with serving(api.application, data / "run" / "control.sock", public, []):
            up.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(60)
    yield Node(data, registers)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
    observer.close()


def certificate(folder: Path) -> tuple[str, str]:
    """Files with a certificate and its key."""
    key = new_key()
    chain = authority("other.test").issue(key, ["mail.site.test"], [], NOW)
    (folder / "chain.pem").write_text(chain.pem())
    (folder / "key.pem").write_text(key_pem(key))
    return str(folder / "chain.pem"), str(folder / "key.pem")


def test_show_tells_what_was_revoked(node: Node, capsys: Capture) -> None:
    now = round(START.timestamp() * 1000)
    revoked = {
        f"revoked/{serial:x}": msgspec.msgpack.encode(Revoked(now, now + ends))
        for serial, ends in ((0xABC, 86_400_000), (0xDEF, -1))
    }
    node.registers.keeping.table = {**node.registers.keeping.table, **revoked}
    assert node.run("show") == Exit.OK
    out = capsys.readouterr().out
    assert "Revoked  abc, since 2" in out
    assert "def, since" not in out  # it has ended anyway


def test_show(node: Node, capsys: Capture) -> None:
    assert node.run("show") == Exit.OK
    out = capsys.readouterr().out
    assert "Authority (of this node; the pair has none yet)" in out
    assert "  names        a.site.test, mail.site.test, 192.0.2.11, ::1" in out
    assert "397 days left" in out
    assert "→ set account.http in node.toml on both nodes" in out  # it has none here
    assert node.run("show", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["certificate"]["days_left"] == 397


def test_show_names_the_list_of_the_revoked() -> None:
    url = "http://192.0.2.10/site.crl"
    listed = msgspec.structs.replace(CERTIFICATE, lists=(url,))
    (line,) = (
        one
        for one in lines(msgspec.structs.replace(TLS, certificate=listed))
        if "revocation" in one
    )
    assert line == f"  revocation   {url}"
    imported = msgspec.structs.replace(TLS, imported=True)
    assert not any("account.http" in one for one in lines(imported))


def test_export_for_clients(node: Node, tmp_path: Path, capsys: Capture) -> None:
    assert node.run("export-ca") == Exit.OK
    pem = capsys.readouterr().out
    found = x509.load_pem_x509_certificate(pem.encode())
    assert node.run("export-ca", "--format", "der", "--to", str(tmp_path / "ca.der")) == Exit.OK
    assert x509.load_der_x509_certificate((tmp_path / "ca.der").read_bytes()) == found
    assert node.run("export-ca", "--to", str(tmp_path)) == Exit.USAGE


def test_import_serve_and_forget(node: Node, tmp_path: Path, capsys: Capture) -> None:
    chain, key = certificate(tmp_path)
    assert node.run("import", chain, "--key", key) == Exit.OK
    assert capsys.readouterr().out == (
        "Both nodes serve the certificate of CN=mail.site.test now.\n"
    )
    assert node.run("show") == Exit.OK
    assert "Certificate (imported)" in capsys.readouterr().out
    assert node.run("forget", "certificate") == Exit.OK
    assert node.run("forget", "certificate") == Exit.NEGATIVE


def test_what_cannot_be_imported(node: Node, tmp_path: Path, capsys: Capture) -> None:
    chain, key = certificate(tmp_path)
    assert node.run("import", chain) == Exit.NEGATIVE
    assert "to serve this certificate, name its key, too" in capsys.readouterr().err
    assert node.run("import", key, "--key", chain) == Exit.NEGATIVE
    assert node.run("import", str(tmp_path / "none")) == Exit.NO_INPUT


def test_renew(node: Node, capsys: Capture) -> None:
    keeping = node.registers.keeping
    assert node.run("renew") == Exit.OK
    assert keeping.issued[1:] == ["an operator wants a new one"]
    assert node.run("renew", "--authority") == Exit.OK
    assert keeping.issued[2:] == ["the authority is another one"]
    assert "clients that know the old one fail" in capsys.readouterr().out


def test_a_node_that_is_alone_is_told_so(node: Node, capsys: Capture) -> None:
    node.registers.alone = True
    assert node.run("renew") == Exit.NEGATIVE
    assert "the pair is solo" in capsys.readouterr().err
    assert node.run("renew", "--while-alone") == Exit.OK


def test_days_left_are_in_status(node: Node, capsys: Capture) -> None:
    run(["status", "--data", str(node.data)])
    assert "certificate  good for 397 more days" in capsys.readouterr().out
