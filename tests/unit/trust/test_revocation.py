"""What was renewed by hand is revoked: once, whatever happens meanwhile, in a list clients take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.trust.authority import Authority
from appliance.trust.certificate import Chain, lists
from appliance.trust.clock import RELEASED
from appliance.trust.holdings import TABLE, written
from appliance.trust.keeper import Keeper
from appliance.trust.names import Names
from tests.support.trust import authority

START = RELEASED + timedelta(days=100)
LISTS = ("http://192.0.2.10/ca.crl", "http://[2001:db8::11]:8480/ca.crl")


class Node:
    """A keeper whose registers and clock the test has in hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START
        self.names = Names(("a.site.test",), (ip_address("192.0.2.11"),), LISTS)
        self.table: dict[str, bytes] = {}
        self.start()

    def start(self) -> None:
        self.keeper = Keeper(
            self.folder,
            lambda: self.names,
            lambda: "site.test",
            lambda: round(self.now.timestamp() * 1000),
            lambda event, queue_id="", **values: None,
        )
        self.keeper.heed(self.table)

    def put(self, *values: tuple[str, str, bytes]) -> None:
        self.table = {**self.table, **{key: value for table, key, value in values}}
        self.keeper.heed(self.table)

    def renew(self, token: bytes) -> None:
        """As `twinpost tls renew` does."""
        self.put((TABLE, "renewed", token))

    @property
    def certificate(self) -> x509.Certificate:
        assert self.keeper.served is not None
        return Chain.from_pem(self.keeper.served[0]).first

    def revoked(self) -> Sequence[int]:
        found = x509.load_der_x509_crl(self.keeper.revocations())
        return [one.serial_number for one in found]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_certificate_names_the_list(node: Node) -> None:
    assert lists(node.certificate) == LISTS
    before = node.certificate.serial_number
    node.names = Names(node.names.hosts, node.names.addresses)
    node.keeper.refresh()
    assert lists(node.certificate) == ()
    assert node.certificate.serial_number != before
    assert node.keeper.to_revoke() == []


def test_what_an_operator_renews_is_revoked(node: Node) -> None:
    first = node.certificate.serial_number
    assert node.revoked() == []
    node.renew(b"1")
    second = node.certificate.serial_number
    assert (second != first, node.revoked()) == (True, [])
    node.put(*node.keeper.to_revoke())
    assert node.revoked() == [first]
    assert node.keeper.to_revoke() == []
    node.start()
    assert node.keeper.to_revoke() == []
    assert node.certificate.serial_number == second


def test_a_crash_before_the_register_forgets_nothing(node: Node) -> None:
    first = node.certificate.serial_number
    node.renew(b"1")
    second = node.certificate.serial_number
    node.start()
    node.renew(b"2")
    node.start()
    node.put(*node.keeper.to_revoke())
    assert node.revoked() == sorted([first, second])


def test_what_time_replaces_stays_good(node: Node) -> None:
    node.now += timedelta(days=300)
    node.keeper.look()
    assert node.keeper.to_revoke() == []


def test_a_new_authority_revokes_nothing_of_the_old_one(node: Node) -> None:
    made = Authority.create("site.test", START)
    node.put((TABLE, "authority", written(*made.pem())), (TABLE, "renewed", b"1"))
    assert node.keeper.to_revoke() == []
    found = x509.load_der_x509_crl(node.keeper.revocations())
    key = made.key.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert found.is_signature_valid(key)
    assert found.issuer == made.chain.first.subject


def test_what_has_ended_is_told_no_longer(node: Node) -> None:
    node.renew(b"1")
    node.put(*node.keeper.to_revoke())
    assert len(node.revoked()) == 1
    node.now += timedelta(days=398)
    assert node.revoked() == []


@pytest.mark.parametrize("now", [START, datetime(1970, 1, 2, tzinfo=UTC), START.replace(2099)])
def test_it_is_valid_for_a_client_whose_clock_is_right(node: Node, now: datetime) -> None:
    node.renew(b"1")
    node.put(*node.keeper.to_revoke())
    node.now = now
    found = x509.load_der_x509_crl(node.keeper.revocations())
    assert found.next_update_utc is not None
    assert found.last_update_utc < START - timedelta(days=100)
    assert found.next_update_utc > START
    assert len(list(found)) == 1


def test_its_number_grows(node: Node) -> None:
    def number() -> int:
        found = x509.load_der_x509_crl(node.keeper.revocations())
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    before = number()
    node.now += timedelta(seconds=1)
    assert number() > before


def test_an_authority_that_may_not_sign_lists_signs_none(node: Node) -> None:
    made = authority("elsewhere.test")
    issuer = made.chain.first
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    limited = (
        x509.CertificateBuilder()
        .subject_name(issuer.subject)
        .issuer_name(issuer.subject)
        .public_key(made.key.public_key())
        .serial_number(1)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(made.key, hashes.SHA256())
    )
    taken = Authority(Chain((limited,)), made.key)
    node.put((TABLE, "authority", written(*taken.pem())))
    assert node.keeper.revocations() == b""
    assert lists(node.certificate) == ()


def test_a_register_that_nobody_can_read_is_told(node: Node) -> None:
    node.put((TABLE, "revoked/xyz", b""), (TABLE, "revoked/12", b"\xff"))
    assert node.revoked() == []
