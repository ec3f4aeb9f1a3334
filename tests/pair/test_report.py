"""Reports of a real pair: right to the message, without a secret, without a name if so wanted."""

from __future__ import annotations

import asyncio
import base64
import re
import smtplib
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import msgspec

from appliance.backup.recovery import TABLE, Recipient
from appliance.control.client import Client
from appliance.control.schema import Status
from appliance.replica.registers import Register
from appliance.report.content import Report, State
from appliance.spool.schema import rows
from tests.pair.harness import HTTP, Cluster, Node, Settings, addresses, until
from tests.pair.test_backup import everything_filed, send
from tests.pair.test_people import logged_in, run, said
from tests.pair.traffic import NextHop

MAIL = 30
USER, OPERATOR, WRONG = "canary-of-a-user", "canary-of-an-operator", "canary-that-is-wrong"
_SECRET_TABLES = ("credentials", "operator_passwords")
_GETS = (
    "/status",
    "/queue?ended=1",
    "/mailboxes",
    "/mailboxes/alice",
    "/users",
    "/aliases",
    "/operators",
    "/jobs",
    "/jobs/history",
    "/backups",
    "/backups/run",
    "/recovery-keys",
    "/reports",
    "/reports/key",
    "/alerts",
    "/alerts/history",
    "/history/metrics",
    "/history?metric=mail.accepted",
    "/routes",
    "/routes/status",
    "/site",
    "/site/history",
    "/site/versions/head",
    "/tls",
    "/tls/ca",
    "/pair",
    "/failover/history",
    "/events?limit=1000",
)


async def test_a_report_is_right_and_tells_no_secret(tmp_path: Path) -> None:
    async with (
        NextHop(addresses(1)[0]) as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        a, b = cluster.nodes
        key = await planted(a, tmp_path)
        await asyncio.to_thread(send, a, range(MAIL))
        await everything_filed(a)
        await everything_at(hop)
        for node in cluster.nodes:
            await node.sees(told_all, "everything is told")
        await asyncio.to_thread(refused_login, a)
        plain, redacted = tmp_path / "plain", tmp_path / "redacted"
        for folder, options in ((plain, ()), (redacted, ("--redact",))):
            folder.mkdir()
            said(a, "report", "export", "--to", str(folder), *options)
        assert said(a, "job", "run", "report").startswith("report: twinpost-report-a-")
        check_figures(a, b, read(plain), hop)
        check_redacted(a, redacted, cluster)
        check_genuine(a, tmp_path, [*plain.iterdir(), *redacted.iterdir()])
        check_secrets(a, key, [tmp_path / "plain", tmp_path / "redacted", a.data / "reports"])


async def planted(node: Node, folder: Path) -> str:
    """A secret wherever somebody can put one; the recovery key as it was printed."""
    said(node, "user", "password", "alice", "--stdin", given=USER + "\n")
    said(node, "operator", "add", "otto", "--role", "viewer", "--stdin", given=OPERATOR + "\n")
    printed = said(node, "backup", "key", "create").splitlines()
    stick = folder / "stick"
    stick.mkdir()
    await asyncio.to_thread(said, node, "backup", "create", "--to", str(stick))
    return next(line.strip() for line in printed if line.count("-") == 7)


def refused_login(node: Node) -> None:
    """One that works and one that does not: both leave traces."""
    logged_in(node, "alice", USER).quit()
    try:
        logged_in(node, "alice", WRONG)
    except smtplib.SMTPAuthenticationError:
        return
    raise AssertionError("a wrong password got in")


def told_all(status: Status) -> bool:
    return status.queue is not None and not any(msgspec.structs.astuple(status.queue)[:5])


async def everything_at(hop: NextHop) -> None:
    async def look() -> bool:
        return len(hop.sink.seen) == MAIL

    await until(look, "the next hop has everything")


def read(folder: Path) -> Report:
    (path,) = folder.glob("*.json")
    return msgspec.convert(msgspec.json.decode(path.read_bytes())["report"], Report)


def check_figures(a: Node, b: Node, report: Report, hop: NextHop) -> None:
    """Report, status, metrics and database tell what the next hop and the clients counted."""
    figures = {(one.name, one.node): one.value for one in report.figures}
    assert figures["mail.accepted", ""] == MAIL
    assert figures["mail.delivered", ""] == hop.sink.seen.total() + MAIL
    assert figures["mailboxes.messages", ""] == MAIL
    assert figures["queue.deferred", ""] == 0
    for node in (a, b):
        mail = Client(node.layout.control_socket).status().mail
        assert mail is not None
        assert figures["mail.accepted", node.name] == mail.accepted
        assert figures["mail.delivered", node.name] == mail.delivered
        exposed = metrics(node)
        assert f"twinpost_accepted_messages_total {float(mail.accepted)}" in exposed
        spool = apsw.Connection(str(node.layout.spool / "spool.db"))
        count = spool.execute("SELECT count(*) FROM message").get
        filed = spool.execute("SELECT count(*) FROM mailbox").get
        spool.close()
        assert (count, filed) == (MAIL, MAIL)
    assert report.nodes == ("a", "b")
    events = next(one for one in report.tables if "events" in one.title)
    assert events.rows or events.note == "None in this period."
    assert report.state is State.GOOD, report.troubles
    (page,) = (a.data.parent / "plain").glob("*.html")
    assert "All is well." in page.read_text()


def metrics(node: Node) -> str:
    url = f"http://{node.address}:{HTTP}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def check_redacted(node: Node, folder: Path, cluster: Cluster) -> None:
    """No name and no address; what one stands for, the node still knows."""
    text = "".join(path.read_text() for path in folder.iterdir())
    names = [
        "alice",
        "site.test",
        "away.test",
        "held.test",
        *(one.address for one in cluster.nodes),
    ]
    assert [name for name in names if name in text] == []
    report = read(folder)
    assert report.redacted
    assert report.site.startswith("host-")
    assert said(node, "report", "reveal", report.site) == "site.test\n"
    assert run(node, "report", "reveal", "host-aaaaaaaa").returncode == 1


def check_genuine(node: Node, folder: Path, files: list[Path]) -> None:
    """Each file verifies with the key alone, and with no change."""
    key = folder / "key"
    said(node, "report", "key", "export", "--to", str(key))
    away = Node("nobody", "", folder / "nowhere")
    for path in files:
        command = away.command("report", "verify", str(path), "--key", str(key))[:-2]
        assert run_words(command) == 0
        path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
        assert run_words(command) == 1


def run_words(command: Sequence[str]) -> int:
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode


def check_secrets(node: Node, recovery_key: str, folders: list[Path]) -> None:
    """Nothing that a node tells, or writes for people, holds any secret."""
    told = {f"GET {path}": answer for path in _GETS if (answer := get(node, path))}
    assert len(told) == len(_GETS)
    told["metrics"] = metrics(node).encode()
    for place in [*folders, node.data / "log", node.data / "monitor", node.data / "run"]:
        told |= {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    known = set(secrets(node, recovery_key))
    assert len(known) > 40
    found = [(name, secret) for name, text in told.items() for secret in known if secret in text]
    assert found == []
    # The search works: the same finds them where they belong.
    keys = b"".join(path.read_bytes() for path in (node.data / "keys").iterdir())
    spool = b"".join(path.read_bytes() for path in (node.data / "spool").glob("spool.db*"))
    assert sum(secret in keys or secret in spool for secret in known) >= 15


def get(node: Node, path: str) -> bytes:
    client = Client(node.layout.control_socket)
    connection, answer = client._ask("GET", path)
    try:
        return answer.read()
    finally:
        connection.close()


def secrets(node: Node, recovery_key: str) -> Iterator[bytes]:
    """As they were typed or printed, and whatever is kept of them."""
    yield from (one.encode() for one in (USER, OPERATOR, WRONG, recovery_key))
    for path in (node.data / "keys").iterdir():
        text = path.read_text()
        for block in re.findall(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", text, re.DOTALL
        ):
            yield from (line.encode() for line in re.split(r"\\n|\n", block) if len(line) > 20)
        if path.name == "report.json":
            yield from (value.encode() for value in msgspec.json.decode(text).values())
    spool = apsw.Connection(str(node.layout.spool / "spool.db"))
    for (data,) in rows(spool, "SELECT register FROM register"):
        register = msgspec.msgpack.decode(data, type=Register)
        if register.table in _SECRET_TABLES:
            yield from parts(register.value or b"")
        if register.table == TABLE and register.value:
            maker = msgspec.json.decode(register.value, type=Recipient).maker
            yield from (maker, maker.hex().encode(), base64.b64encode(maker))
    spool.close()


def parts(value: bytes) -> Iterator[bytes]:
    """Pieces of a secret value as it is, in hex, and in base64."""
    for start in range(0, len(value) - 24, 24):
        piece = value[start : start + 24]
        yield from (piece, piece.hex().encode(), base64.b64encode(piece))
