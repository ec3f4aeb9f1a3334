"""What people see of TLS, what they may import, and whom delivery trusts then."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.config.document import parse
from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.mail.reply import Refused
from appliance.trust.authority import new_key
from appliance.trust.certificate import BadCertificate, Chain, fingerprint, key_pem, load_key
from appliance.trust.holdings import Keys
from appliance.trust.names import names_of
from appliance.trust.outbound import Outbound
from appliance.trust.view import TlsDesk, Values
from tests.support.trust import NOW, authority
from tests.unit.trust.test_keeper import START, Node

NODE = """
name = "a"
hostname = "a.site.test"
[smtp]
listen = ["192.0.2.11:25"]
submissions = ["[2001:db8::11]:465"]
[link]
listen = "10.0.0.11:2526"
pairing = "10.0.0.11:2527"
"""


class Desk:
    """A desk of a node whose registers the test writes."""

    def __init__(self, node: Node) -> None:
        self.node = node
        tokens = iter(range(1000))
        self.desk = TlsDesk(
            node.folder,
            lambda name: node.table,
            lambda: round(node.now.timestamp() * 1000),
            lambda: b"%d" % next(tokens),
            lambda: "site.test",
        )

    def put(self, values: Values) -> None:
        table = dict(self.node.table)
        for _, key, value in values:
            table.pop(key, None)
            if value is not None:
                table[key] = value
        self.node.table = table
        self.node.keeper.heed(table)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Node(tmp_path))


def issued(*hosts: str, issuer: str = "other.test") -> tuple[str, str]:
    key = new_key()
    return authority(issuer).issue(key, hosts, [], NOW).pem(), key_pem(key)


def test_a_view_of_what_is_there(desk: Desk) -> None:
    view = desk.desk.view()
    assert view.certificate is not None
    assert view.certificate.days_left == 397
    assert view.certificate.issuer == "CN=site.test mail CA,O=site.test"
    assert view.authority is not None
    assert (view.imported, view.shared, view.trusted, view.clock) == (False, False, (), "")


def test_before_the_mail_process_has_started(tmp_path: Path) -> None:
    desk = TlsDesk(tmp_path, lambda name: {}, lambda: 0, lambda: b"", lambda: "x")
    view = desk.view()
    assert view.certificate is None
    assert view.authority is None
    with pytest.raises(LookupError):
        desk.exported("pem")


def test_a_clock_that_must_be_wrong_is_told(desk: Desk) -> None:
    node = desk.node
    node.now = START - timedelta(days=1000)
    assert desk.desk.view().clock.startswith("it shows 20")
    node.now = START - timedelta(days=30)
    assert "and showed" in desk.desk.view().clock
    node.now = START + timedelta(days=30)
    assert desk.desk.view().clock == ""


def test_an_export_is_what_clients_need(desk: Desk) -> None:
    chain = Chain.from_pem(desk.desk.exported("pem"))
    assert x509.load_der_x509_certificate(desk.desk.exported("der")) == chain.first
    assert b"PRIVATE" not in desk.desk.exported("pem")
    assert desk.node.chain.first.issuer == chain.first.subject


def test_an_imported_certificate(desk: Desk) -> None:
    values, said = desk.desk.imported(*issued("mail.site.test"))
    assert said == "Both nodes serve the certificate of CN=mail.site.test now."
    desk.put(values)
    view = desk.desk.view()
    assert view.imported
    assert view.certificate is not None
    assert view.certificate.names == ("mail.site.test",)
    desk.put(desk.desk.forgotten("certificate"))
    assert not desk.desk.view().imported


def test_an_imported_authority_issues(desk: Desk) -> None:
    values, _ = desk.desk.imported(*authority("other.test").pem())
    desk.put(values)
    view = desk.desk.view()
    assert view.shared
    assert view.certificate is not None
    assert view.certificate.issuer == "CN=other.test mail CA,O=other.test"
    desk.put(desk.desk.renewed(authority=True))
    again = desk.desk.view().authority
    assert again is not None
    assert again.subject == "CN=site.test mail CA,O=site.test"


def test_an_authority_that_is_trusted(desk: Desk) -> None:
    told: list[str] = []
    outbound = Outbound(Keys(desk.node.folder), told.append)
    only_own = outbound.context(verify=True)
    assert len(only_own.get_ca_certs()) == 1
    values, _ = desk.desk.imported(authority("other.test").chain.pem(), "")
    desk.put(values)
    outbound.heed(desk.node.table)
    assert len(outbound.context(verify=True).get_ca_certs()) == 2
    assert len(desk.desk.view().trusted) == 1
    name = fingerprint(authority("other.test").chain.first)[:12]
    desk.put(desk.desk.forgotten(name))
    outbound.heed(desk.node.table)
    assert len(outbound.context(verify=True).get_ca_certs()) == 1
    assert outbound.context(verify=False).verify_mode is ssl.CERT_NONE
    assert not told


@pytest.mark.parametrize("name", ["", "certificate", "abc"])
def test_nothing_else_can_be_forgotten(desk: Desk, name: str) -> None:
    with pytest.raises(LookupError):
        desk.desk.forgotten(name)


def test_what_cannot_be_used_is_refused_with_a_hint(desk: Desk) -> None:
    certificates, key = issued("mail.site.test")
    small = key_pem(rsa.generate_private_key(65537, 1024))
    mixed = authority("x.test").chain.pem() + certificates
    for wrong, why in [
        ((certificates, ""), "is no authority"),
        ((certificates, key_pem(new_key())), "is not that of"),
        (("", key), "no certificate in PEM"),
        ((certificates, "x"), "no private key in PEM"),
        ((certificates, small), "an RSA key of 1024 bits"),
        ((mixed, ""), "was not issued by"),
        ((certificates * 11, key), "11 certificates"),
    ]:
        with pytest.raises(Refused) as refused:
            desk.desk.imported(*wrong)
        assert why in refused.value.reply.text
        assert refused.value.hint


def test_an_encrypted_key_is_named_so() -> None:
    encrypted = (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEgZA=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    with pytest.raises(BadCertificate):
        load_key(encrypted)


def test_a_node_is_known_by_all_its_names() -> None:
    node = parse(NODE, NodeSettings, "node.toml")
    site = parse('domains = ["site.test", "münchen.test"]', SiteSettings, "site.toml")
    names = names_of(node, site)
    assert names.hosts[0] == "a.site.test"
    assert {"mail.site.test", "smtp.site.test", "site.test", "mail.xn--mnchen-3ya.test"} < set(
        names.hosts
    )
    assert list(map(str, names.addresses)) == ["192.0.2.11", "2001:db8::11"]


def test_a_node_that_listens_everywhere_has_the_machines_addresses() -> None:
    node = parse(NODE.replace("192.0.2.11:25", "0.0.0.0:25"), NodeSettings, "node.toml")
    site = parse('domains = ["site.test"]', SiteSettings, "site.toml")
    found = set(map(str, names_of(node, site).addresses))
    assert "127.0.0.1" in found
    assert "0.0.0.0" not in found
