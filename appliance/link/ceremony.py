"""The pairing ceremony without I/O: messages, proofs, and the rules of an invitation.

    inviter                                   joiner
            <- TLS; the joiner compares the inviter's key with the code's fingerprint
    Greeting ->                               says nothing before that key fits
            <- Request                        proof that it read the code, its own key
    Grant   ->                                the same proof, the authority, a certificate
            <- Done                           has stored the pairing
    Confirmed ->                              has stored it too

Request and Grant carry what each node says of itself (`about`): opaque here, and as trustworthy as
the channel, whose ends have both shown that they know the code by then.

Crash windows. Before Done: the joiner may be paired and the inviter not; the invitation stays open
for the same joiner, and a node may always join the peer it already has. After Done: both are
paired, the joiner may have to be told so.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import msgspec

from appliance.config.units import Endpoint, NumericEndpoint, Wrong
from appliance.link.certificates import Authority, BadKey, fingerprint, verify
from appliance.link.code import PairingCode
from appliance.link.identity import Identity, Pairing, Peer

VERSION = 1
NONCE_LENGTH = 32
_LABEL = b"twinpost pairing 1\0"


class Problem(StrEnum):
    """Why two nodes are not paired."""

    UNREACHABLE = "the other node does not answer"
    OTHER_NODE = "the node there is not the one that printed the code"
    WRONG_SECRET = "the code is not the one that was printed"
    TOO_MANY_TRIES = "the code was tried wrongly too often"
    EXPIRED = "the code has expired"
    USED = "another node has already used the code"
    ALREADY_PAIRED = "this node is already paired with another node"
    SAME_NODE = "both nodes have the same key"
    OTHER_VERSION = "the other node has another version of pairing"
    MALFORMED = "the other node said something that makes no sense"
    NOT_STORED = "the other node could not store the pairing"
    UNCONFIRMED = "this node is paired, but the other did not confirm that it is"
    UNFIT = "the two nodes do not fit together"
    CANCELLED = "pairing was cancelled"

    @property
    def hint(self) -> str:
        """What an operator can do."""
        return _HINTS[self]


_NEW_CODE = "run `twinpost pair init` on the other node again and use the new code"
_HINTS = {
    Problem.UNREACHABLE: "is `twinpost pair init` still running there? It waits for 10 minutes",
    Problem.OTHER_NODE: "check the address; if it is right, somebody is between the two nodes",
    Problem.WRONG_SECRET: "is this an older code? " + _NEW_CODE,
    Problem.TOO_MANY_TRIES: _NEW_CODE,
    Problem.EXPIRED: _NEW_CODE,
    Problem.USED: _NEW_CODE,
    Problem.ALREADY_PAIRED: "to pair with a replacement, use `twinpost pair replace`",
    Problem.SAME_NODE: "was a data directory copied? Move keys/ away on one of the two nodes",
    Problem.OTHER_VERSION: "bring both nodes to the same release",
    Problem.MALFORMED: "check the address and port; look at the other node's log",
    Problem.NOT_STORED: "look at its disk and the rights of its keys/ folder, then " + _NEW_CODE,
    Problem.UNCONFIRMED: "see `twinpost pair status` on both; if needed, pair them again",
    Problem.UNFIT: "correct one of them, in node.toml or in its setup, then " + _NEW_CODE,
    Problem.CANCELLED: "",
}


class PairingFailed(Exception):
    """Two nodes are not paired, for the reason `problem`; `hint` says what to do."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(f"{problem}: {detail}" if detail else str(problem))
        self.problem = problem
        self.detail = detail

    @property
    def hint(self) -> str:
        return self.problem.hint


class Greeting(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Inviter: its node's key and a number used once."""

    version: int
    public_key: bytes
    nonce: bytes


class Request(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Joiner: its node's key, proof of the secret and of the key, where its link listens."""

    public_key: bytes
    nonce: bytes
    proof: bytes
    signature: bytes
    endpoint: str
    about: bytes = b""


class Grant(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Inviter: proof of the secret, the authority, the joiner's certificate, where its link is."""

    proof: bytes
    authority_certificate: str
    authority_key: str
    certificate: str
    endpoint: str
    about: bytes = b""


class Done(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Joiner: the pairing is stored."""


class Confirmed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Inviter: here too."""


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Inviter: no; `problem` is the name of a Problem."""

    problem: str
    detail: str

    def error(self) -> PairingFailed:
        """The same as an exception."""
        if self.problem in Problem.__members__:
            return PairingFailed(Problem[self.problem], self.detail)
        return PairingFailed(Problem.MALFORMED, f"refused for {self.problem!r}")


Message: TypeAlias = Greeting | Request | Grant | Done | Confirmed | Refused


@dataclass(frozen=True)
class Limits:
    """How long a code is good, in seconds, and how often it may be tried wrongly."""

    lifetime: float = 600.0
    tries: int = 5


class Invitation:
    """The inviter's side: one code, good for one joiner. `now` is any clock that never steps."""

    def __init__(
        self,
        identity: Identity,
        authority: Authority,
        link: Endpoint,
        secret: bytes,
        now: float,
        limits: Limits,
        about: bytes = b"",
    ) -> None:
        self.about = about
        self.code = PairingCode.make(authority.key.public_key, secret)
        self.tries_left = limits.tries
        self._identity = identity
        self._authority = authority
        self._link = link
        self._expires = now + limits.lifetime
        self._joiner: bytes | None = None

    def greet(self, nonce: bytes) -> Greeting:
        """The first message of a connection, with a nonce (32 bytes) of its own."""
        return Greeting(VERSION, self._identity.public_key, nonce)

    def answer(
        self, now: float, greeting: Greeting, request: Request, seen: str
    ) -> tuple[Grant, Pairing]:
        """What to grant, and what to store here when the joiner is done; raises PairingFailed.

        `seen` is the address the joiner came from.
        """
        self.check(now)
        transcript = _transcript(self._authority.key.public_key, greeting, request)
        if not hmac.compare_digest(_proof(self.code, b"joiner", transcript), request.proof):
            self.tries_left -= 1
            self.check(now)
            raise PairingFailed(Problem.WRONG_SECRET, f"{self.tries_left} more tries")
        if request.public_key == self._identity.public_key:
            raise PairingFailed(Problem.SAME_NODE)
        if self._joiner not in (None, request.public_key):
            raise PairingFailed(Problem.USED)
        try:
            verify(request.public_key, request.signature, transcript)
            granted = self._authority.issue(request.public_key)
            own = self._authority.issue(self._identity.public_key)
            peer = Peer(request.public_key, _reachable(request.endpoint, seen))
        except (BadKey, Wrong) as error:
            raise PairingFailed(Problem.MALFORMED, str(error)) from None
        self._joiner = request.public_key
        certificate, key = self._authority.certificate, self._authority.key.pem()
        proof = _proof(self.code, b"inviter", transcript)
        grant = Grant(proof, certificate, key, granted, str(self._link), self.about)
        return grant, Pairing(certificate, key, own, peer)

    def check(self, now: float) -> None:
        """Raises PairingFailed when the code is good no more."""
        if self.tries_left <= 0:
            raise PairingFailed(Problem.TOO_MANY_TRIES)
        if now >= self._expires:
            raise PairingFailed(Problem.EXPIRED)


@dataclass(frozen=True)
class Joining:
    """The joiner's side of a connection whose other end proved to hold `authority_key`.

    Making one raises PairingFailed unless that is the authority which the code names.
    """

    identity: Identity
    code: PairingCode
    authority_key: bytes
    replacing: bool

    def __post_init__(self) -> None:
        if not self.code.matches(self.authority_key):
            raise PairingFailed(Problem.OTHER_NODE)

    def request(
        self, greeting: Greeting, nonce: bytes, link: Endpoint, about: bytes = b""
    ) -> Request:
        """Ask to be paired; `nonce` is 32 random bytes. Raises PairingFailed."""
        if greeting.version != VERSION:
            raise PairingFailed(Problem.OTHER_VERSION, f"{greeting.version}, here {VERSION}")
        if len(greeting.nonce) != NONCE_LENGTH:
            raise PairingFailed(Problem.MALFORMED, "the nonce has another length")
        if greeting.public_key == self.identity.public_key:
            raise PairingFailed(Problem.SAME_NODE)
        peer = self.identity.peer
        if peer is not None and peer.public_key != greeting.public_key and not self.replacing:
            raise PairingFailed(Problem.ALREADY_PAIRED, f"node {peer.node_id.hex()}")
        unproven = Request(self.identity.public_key, nonce, b"", b"", str(link), about)
        transcript = _transcript(self.authority_key, greeting, unproven)
        return msgspec.structs.replace(
            unproven,
            proof=_proof(self.code, b"joiner", transcript),
            signature=self.identity.key.sign(transcript),
        )

    def accept(self, greeting: Greeting, request: Request, grant: Grant, seen: str) -> Pairing:
        """Check a grant and say what to store; `seen` is the inviter's address.

        Raises PairingFailed.
        """
        transcript = _transcript(self.authority_key, greeting, request)
        if not hmac.compare_digest(_proof(self.code, b"inviter", transcript), grant.proof):
            raise PairingFailed(Problem.WRONG_SECRET, "the other node does not know the secret")
        try:
            authority = Authority.from_pem(grant.authority_certificate, grant.authority_key)
            if authority.key.public_key != self.authority_key:
                raise BadKey("it granted another authority than the code names")
            if not authority.issued(grant.certificate, self.identity.public_key):
                raise BadKey("the certificate is not for this node")
            # Who certifies a key checks that it is one.
            authority.issue(greeting.public_key)
            peer = Peer(greeting.public_key, _reachable(grant.endpoint, seen))
        except (BadKey, Wrong) as error:
            raise PairingFailed(Problem.MALFORMED, str(error)) from None
        return Pairing(
            grant.authority_certificate, grant.authority_key, grant.certificate, peer, joined=True
        )


def _reachable(endpoint: str, seen: str) -> str:
    """Where a link listens that was told as `endpoint`; raises Wrong.

    Who listens on all addresses (0.0.0.0 or [::]) is reached at the one it was seen at.
    """
    parsed = NumericEndpoint.parse(endpoint)
    if parsed.host not in ("0.0.0.0", "::"):
        return str(parsed)
    return f"[{seen}]:{parsed.port}" if ":" in seen else f"{seen}:{parsed.port}"


def _transcript(authority_key: bytes, greeting: Greeting, request: Request) -> bytes:
    """All that a proof is bound to: the three keys and both nonces, each of fixed length."""
    keys = (authority_key, greeting.public_key, request.public_key)
    nonces = (greeting.nonce, request.nonce)
    return _LABEL + b"".join([*map(fingerprint, keys), *map(_hashed, nonces)])


def _hashed(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _proof(code: PairingCode, role: bytes, transcript: bytes) -> bytes:
    return hmac.digest(code.secret, role + b"\0" + transcript, "sha256")
