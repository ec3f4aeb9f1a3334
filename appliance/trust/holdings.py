"""What the site holds for TLS: registers that both nodes have, and what a node has for itself.

Table "tls" of the registers:

- `authority`: the site's authority with its key. Until there is one each node uses an authority
  of its own, in keys/site-ca.json. The node that invites the other one makes its own the site's.
- `certificate`: a certificate from elsewhere with its key, served by both nodes.
- `trusted/FINGERPRINT`: the certificate of an authority whose servers are trusted, too.
- `renewed`: changed when every node is to issue itself a new certificate.
- `revoked/SERIAL`: a certificate that the authority takes back (`revocation.Revoked`).

The node's own certificate and key are in keys/tls.json, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from appliance.decoding import from_json
from appliance.trust import files
from appliance.trust.authority import Authority
from appliance.trust.certificate import BadCertificate, Chain, Key, check_pair, load_key
from appliance.trust.revocation import REVOKED, Revoked, read

TABLE = "tls"
AUTHORITY, CERTIFICATE, RENEWED = "authority", "certificate", "renewed"
TRUSTED = "trusted/"


class Pair(msgspec.Struct, frozen=True):
    """Certificates and the key of the first one, in PEM."""

    certificates: str
    key: str


class NodeFile(msgspec.Struct, frozen=True):
    """keys/tls.json. `issued_at`: milliseconds since 1970; `renewed`: the register's value.

    `former`: certificates that this one replaced and that are to be revoked.
    """

    certificates: str
    key: str
    issued_at: int
    renewed: str = ""
    former: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holdings:
    """`problems` are registers that could not be read: they are as if they were not there."""

    authority: Authority | None = None
    certificate: tuple[Chain, Key] | None = None
    trusted: Mapping[str, Chain] = field(default_factory=dict)
    renewed: str = ""
    revoked: Mapping[int, Revoked] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def holdings(table: Mapping[str, bytes]) -> Holdings:
    """What the registers say."""
    problems: list[str] = []
    authority = certificate = None
    trusted = {}
    revoked = {}
    for key, value in table.items():
        try:
            if key == AUTHORITY:
                authority = read_authority(value)
            elif key == CERTIFICATE:
                certificate = read_certificate(value)
            elif key.startswith(TRUSTED):
                trusted[key.removeprefix(TRUSTED)] = Chain.from_pem(value)
            elif key.startswith(REVOKED):
                serial, since = read(key, value)
                revoked[serial] = since
        except ValueError as error:  # BadCertificate and msgspec's are
            problems.append(f"{key}: {error}")
    renewed = table.get(RENEWED, b"").hex()
    return Holdings(authority, certificate, trusted, renewed, revoked, tuple(problems))


def read_authority(value: bytes) -> Authority:
    """Raises BadCertificate, msgspec.DecodeError."""
    pair = from_json(value, Pair)
    return Authority.from_pem(pair.certificates, pair.key)


def read_certificate(value: bytes) -> tuple[Chain, Key]:
    """Raises BadCertificate, msgspec.DecodeError."""
    pair = from_json(value, Pair)
    chain, key = Chain.from_pem(pair.certificates), load_key(pair.key)
    check_pair(chain, key)
    return chain, key


def written(certificates: str, key: str) -> bytes:
    """The value of `authority` or `certificate`."""
    return msgspec.json.encode(Pair(certificates, key))


class Keys:
    """What a node has for itself, in its folder of keys. Everything raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._own_authority = folder / "site-ca.json"
        self._node = folder / "tls.json"

    def own_authority(self) -> Authority | None:
        """The authority of a node that has no site yet; None too if it can't be read."""
        value = files.read(self._own_authority)
        try:
            return read_authority(value) if value is not None else None
        except (BadCertificate, msgspec.DecodeError):
            return None

    def keep_authority(self, authority: Authority) -> None:
        """Keep it until the site has one."""
        files.replace(self._own_authority, written(*authority.pem()))

    def drop_authority(self) -> None:
        """The site has one."""
        files.remove(self._own_authority)

    def node(self) -> NodeFile | None:
        """The node's certificate, None if there is none that can be read."""
        value = files.read(self._node)
        try:
            return from_json(value, NodeFile) if value is not None else None
        except msgspec.DecodeError:
            return None

    def keep_node(self, file: NodeFile) -> None:
        """Replace the node's certificate."""
        files.replace(self._node, msgspec.json.encode(file))
