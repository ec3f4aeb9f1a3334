"""The certificate of a node: when it is issued anew, what a wrong clock does, whose authority."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from appliance.monitor.events import Event
from appliance.trust.authority import Authority, new_key
from appliance.trust.certificate import Chain, fingerprint, issued_by, key_pem, names
from appliance.trust.clock import RELEASED
from appliance.trust.holdings import TABLE, Keys, NodeFile, written
from appliance.trust.keeper import Keeper
from appliance.trust.names import Names
from tests.support.trust import authority

START = RELEASED + timedelta(days=100)
NAMES = Names(("a.site.test", "mail.site.test"), (ip_address("192.0.2.11"), ip_address("::1")))


class Node:
    """A keeper with a clock and names that the test decides about."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START
        self.names = NAMES
        self.table: Mapping[str, bytes] = {}
        self.events: list[tuple[Event, dict[str, object]]] = []
        self.start()

    def start(self) -> None:
        self.keeper = Keeper(
            self.folder,
            lambda: self.names,
            lambda: "site.test",
            lambda: round(self.now.timestamp() * 1000),
            self._emit,
        )
        self.keeper.heed(self.table)

    def registers(self, **values: bytes) -> None:
        self.table = {**self.table, **values}
        self.keeper.heed(self.table)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.keeper.look()

    @property
    def file(self) -> NodeFile:
        found = Keys(self.folder).node()
        assert found is not None
        return found

    @property
    def chain(self) -> Chain:
        return Chain.from_pem(self.file.certificates)

    @property
    def issued(self) -> list[object]:
        """Why certificates were issued, so far."""
        return [v["reason"] for event, v in self.events if event is Event.TLS_CERTIFICATE_ISSUED]

    def valid(self, at: datetime) -> bool:
        first = self.chain.first
        return first.not_valid_before_utc <= at <= first.not_valid_after_utc

    def _emit(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.events.append((event, values))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def context_of(node: Node) -> ssl.SSLContext:
    assert node.keeper.context is not None
    return node.keeper.context


def test_a_first_start_gives_a_certificate_for_all_names(node: Node) -> None:
    assert isinstance(context_of(node), ssl.SSLContext)
    assert names(node.chain.first) == ("a.site.test", "mail.site.test", "192.0.2.11", "::1")
    assert node.issued == ["there was none"]
    for file in node.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_restart_keeps_authority_and_certificate(node: Node) -> None:
    before = sorted((file.name, file.read_bytes()) for file in node.folder.iterdir())
    node.start()
    assert sorted((file.name, file.read_bytes()) for file in node.folder.iterdir()) == before
    assert len(node.issued) == 1


def test_it_is_valid_since_long_ago_and_never_longer_than_clients_take(node: Node) -> None:
    first = node.chain.first
    assert first.not_valid_before_utc <= START - timedelta(days=365)
    assert first.not_valid_after_utc >= START + timedelta(days=365)
    assert first.not_valid_after_utc - first.not_valid_before_utc <= timedelta(days=825)
    root = Keys(node.folder).own_authority()
    assert root is not None
    assert root.chain.first.not_valid_before_utc == datetime(2000, 1, 1, tzinfo=UTC)
    assert root.chain.end > START + timedelta(days=19 * 365)


def test_it_is_renewed_when_two_thirds_are_over(node: Node) -> None:
    node.later(days=264)
    assert len(node.issued) == 1
    before = context_of(node)
    node.later(days=2)
    assert node.issued[1:] == ["two thirds of its time are over"]
    assert context_of(node) is not before
    assert node.valid(node.now + timedelta(days=390))
    node.later(minutes=2)
    assert len(node.issued) == 2


def test_names_decide(node: Node) -> None:
    node.names = Names(("a.site.test",), (ip_address("192.0.2.12"),))
    node.later(seconds=30)
    assert len(node.issued) == 1  # it looks about once a minute
    node.later(seconds=40)
    assert node.issued[1:] == ["the node's names are others"]
    assert names(node.chain.first) == ("a.site.test", "192.0.2.12")


@pytest.mark.parametrize("year", [1970, 2000, 2020, 2099])
def test_a_clock_that_must_be_wrong_does_no_harm(tmp_path: Path, year: int) -> None:
    """A client with a right clock connects; when this node's is right, all is as usual."""
    node = Node(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    node.now = datetime(year, 1, 1, tzinfo=UTC)
    node.start()
    for at in (RELEASED, START, START + timedelta(days=10 * 365)):
        assert node.valid(at)
    count = len(node.issued)
    node.later(days=1)
    assert len(node.issued) == count
    assert [event for event, _ in node.events].count(Event.CLOCK_IMPLAUSIBLE) == 1
    node.now = START
    node.keeper.look()
    assert node.issued[count:] == ["the clock is right again"]
    assert node.chain.first.not_valid_after_utc < START + timedelta(days=400)


@pytest.mark.parametrize("wrong", [datetime(1970, 1, 1, tzinfo=UTC), START - timedelta(days=90)])
def test_a_clock_that_goes_back_leaves_a_certificate_that_is_good(
    node: Node, wrong: datetime
) -> None:
    node.now = wrong
    node.keeper.look()
    node.start()
    for at in (START, START + timedelta(days=300)):
        assert node.valid(at)


def test_another_authority_is_taken_at_once(node: Node) -> None:
    before = context_of(node)
    node.registers(authority=written(*authority("other.test").pem()))
    assert node.issued[1:] == ["the authority is another one"]
    assert issued_by(node.chain.first, authority("other.test").chain.first)
    assert context_of(node) is not before
    assert Keys(node.folder).own_authority() is None
    node.start()
    assert len(node.issued) == 2


def test_its_own_authority_is_offered_until_there_is_one(node: Node) -> None:
    own = Keys(node.folder).own_authority()
    offered = node.keeper.to_share()
    assert own is not None
    assert offered == (TABLE, "authority", written(*own.pem()))
    node.registers(authority=offered[2])
    assert node.keeper.to_share() is None
    assert len(node.issued) == 1  # it is the same


def test_an_imported_certificate_is_served_and_left_again(node: Node) -> None:
    key = new_key()
    chain = authority("other.test").issue(key, ["mail.site.test"], [], START)
    before = context_of(node)
    node.registers(certificate=written(chain.pem(), key_pem(key)))
    assert context_of(node) is not before
    assert len(node.issued) == 1
    node.table = {}
    node.keeper.heed({})
    assert fingerprint(node.chain.first)
    assert len(node.issued) == 1


def test_renewing_makes_every_node_issue_once(node: Node) -> None:
    before = node.file.key
    node.registers(renewed=b"1")
    assert node.issued[1:] == ["an operator wants a new one"]
    assert node.file.key != before
    node.start()
    node.registers(renewed=b"1")
    assert len(node.issued) == 2


@pytest.mark.parametrize("value", [b"", b"{}", b"not json", b'{"certificates":"x","key":"y"}'])
def test_registers_nobody_can_read_are_told_and_left_alone(node: Node, value: bytes) -> None:
    before = context_of(node)
    node.registers(authority=value, certificate=value)
    assert context_of(node) is before
    told = [values["reason"] for event, values in node.events if event is Event.TLS_FAILED]
    assert len(told) == 2


@pytest.mark.parametrize("name", ["tls.json", "site-ca.json"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"certificates":"","key":"","issued_at":1}'])
def test_files_that_are_damaged_are_made_anew(node: Node, name: str, content: bytes) -> None:
    (node.folder / name).write_bytes(content)
    node.start()
    assert len(node.issued) == 2
    assert issued_by(node.chain.first, _own(node).chain.first)


def test_a_disk_that_is_full_leaves_what_there_is(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.trust.files.replace", full)
    before = context_of(node)
    node.registers(renewed=b"1")
    assert context_of(node) is before
    assert node.events[-1][0] is Event.TLS_FAILED


def test_a_context_is_not_used_for_ever(node: Node) -> None:
    before = context_of(node)
    node.later(hours=11)
    assert context_of(node) is before
    node.later(hours=2)
    assert context_of(node) is not before
    assert len(node.issued) == 1


def test_near_its_end_an_authority_does_not_make_certificates_all_the_time(node: Node) -> None:
    node.registers(authority=written(*_ending(START + timedelta(days=9)).pem()))
    count = len(node.issued)
    for _ in range(20):
        node.later(days=1)
        assert node.keeper.context is not None
    assert len(node.issued) == count


def _ending(end: datetime) -> Authority:
    """An authority of the site's own, good until `end`."""
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START - timedelta(days=3650))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return Authority(Chain((builder.sign(key, hashes.SHA256()),)), key)


def _own(node: Node) -> Authority:
    found = Keys(node.folder).own_authority()
    assert found is not None
    return found
