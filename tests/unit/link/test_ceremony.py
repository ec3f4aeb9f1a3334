"""The ceremony without a network: what each side accepts, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.config.units import Endpoint
from appliance.link.ceremony import (
    Grant,
    Greeting,
    Invitation,
    Joining,
    Limits,
    PairingFailed,
    Problem,
    Refused,
    Request,
)
from appliance.link.certificates import Authority, PrivateKey
from appliance.link.code import PairingCode
from appliance.link.identity import Identity, KeyStore, Pairing, Peer

HERE, THERE = Endpoint("192.0.2.1:2600"), Endpoint("192.0.2.2:2600")
SEEN = "192.0.2.99"
SECRET, NONCE, OTHER_NONCE = b"nine byte", b"i" * 32, b"j" * 32


class Ceremony:
    """An inviter and a joiner with nothing between them."""

    def __init__(self) -> None:
        self.inviter = Identity(PrivateKey.generate(), None)
        self.joiner = Identity(PrivateKey.generate(), None)
        self.authority = Authority.create()
        self.invitation = Invitation(self.inviter, self.authority, HERE, SECRET, 100.0, Limits())
        self.greeting = self.invitation.greet(NONCE)

    def joining(
        self, code: PairingCode | None = None, identity: Identity | None = None, **changes: Any
    ) -> Joining:
        key = self.authority.key.public_key
        return Joining(identity or self.joiner, code or self.invitation.code, key, **changes)

    def request(self, greeting: Greeting | None = None) -> Request:
        return self.joining(replacing=False).request(greeting or self.greeting, OTHER_NONCE, THERE)

    def answer(self, request: Request, now: float = 100.0) -> tuple[Grant, Pairing]:
        return self.invitation.answer(now, self.greeting, request, SEEN)


@pytest.fixture
def ceremony() -> Ceremony:
    return Ceremony()


def problem(error: pytest.ExceptionInfo[PairingFailed]) -> Problem:
    return error.value.problem


def test_both_pin_each_other_and_hold_the_authority(ceremony: Ceremony) -> None:
    request = ceremony.request()
    grant, inviters = ceremony.answer(request)
    joiners = ceremony.joining(replacing=False).accept(ceremony.greeting, request, grant, SEEN)
    assert inviters.peer == Peer(ceremony.joiner.public_key, str(THERE))
    assert joiners.peer == Peer(ceremony.inviter.public_key, str(HERE))
    for pairing, identity in ((inviters, ceremony.inviter), (joiners, ceremony.joiner)):
        assert pairing.authority.key.pem() == ceremony.authority.key.pem()
        assert pairing.authority.issued(pairing.certificate, identity.public_key)


def test_the_joiner_talks_only_to_the_authority_of_the_code(ceremony: Ceremony) -> None:
    with pytest.raises(PairingFailed) as error:
        Joining(ceremony.joiner, ceremony.invitation.code, PrivateKey.generate().public_key, False)
    assert problem(error) == Problem.OTHER_NODE


def test_a_wrong_secret_is_refused_and_counted(ceremony: Ceremony) -> None:
    wrong = PairingCode(ceremony.invitation.code.authority, b"another 9")
    request = ceremony.joining(wrong, replacing=False).request(
        ceremony.greeting, OTHER_NONCE, THERE
    )
    for left in (4, 3, 2, 1):
        with pytest.raises(PairingFailed, match=f"{left} more tries") as error:
            ceremony.answer(request)
        assert problem(error) == Problem.WRONG_SECRET
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(request)
    assert problem(error) == Problem.TOO_MANY_TRIES
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(ceremony.request())
    assert problem(error) == Problem.TOO_MANY_TRIES


def test_an_expired_code_is_refused(ceremony: Ceremony) -> None:
    request = ceremony.request()
    ceremony.answer(request, now=699.9)
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(request, now=700.0)
    assert problem(error) == Problem.EXPIRED


def test_a_replayed_request_is_refused(ceremony: Ceremony) -> None:
    overheard = ceremony.request()
    ceremony.greeting = ceremony.invitation.greet(b"another connection has another n")
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(overheard)
    assert problem(error) == Problem.WRONG_SECRET


def other_key() -> bytes:
    return PrivateKey.generate().public_key


@pytest.mark.parametrize("field", ["public_key", "nonce", "proof"])
def test_proofs_are_bound_to_what_the_joiner_said(ceremony: Ceremony, field: str) -> None:
    value = other_key() if field == "public_key" else b"x" * 32
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(msgspec.structs.replace(ceremony.request(), **{field: value}))
    assert problem(error) == Problem.WRONG_SECRET


@pytest.mark.parametrize("field", ["public_key", "nonce"])
def test_proofs_are_bound_to_what_the_inviter_said(ceremony: Ceremony, field: str) -> None:
    value = other_key() if field == "public_key" else b"x" * 32
    changed = msgspec.structs.replace(ceremony.greeting, **{field: value})
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(ceremony.request(changed))
    assert problem(error) == Problem.WRONG_SECRET


def test_proofs_are_bound_to_the_authority(ceremony: Ceremony) -> None:
    """A man in the middle with an authority of his own whose code was believed."""
    his = Authority.create()
    code = PairingCode.make(his.key.public_key, SECRET)
    joining = Joining(ceremony.joiner, code, his.key.public_key, False)
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(joining.request(ceremony.greeting, OTHER_NONCE, THERE))
    assert problem(error) == Problem.WRONG_SECRET


def test_the_joiners_proof_is_not_the_inviters(ceremony: Ceremony) -> None:
    """Who does not know the secret can't send back what it was sent."""
    request = ceremony.request()
    grant, _ = ceremony.answer(request)
    reflected = msgspec.structs.replace(grant, proof=request.proof)
    with pytest.raises(PairingFailed) as error:
        ceremony.joining(replacing=False).accept(ceremony.greeting, request, reflected, SEEN)
    assert problem(error) == Problem.WRONG_SECRET


def test_who_knows_the_secret_must_still_hold_the_key(ceremony: Ceremony) -> None:
    request = msgspec.structs.replace(ceremony.request(), signature=b"x" * 64)
    with pytest.raises(PairingFailed, match="signature") as error:
        ceremony.answer(request)
    assert problem(error) == Problem.MALFORMED


def test_a_code_is_good_for_one_joiner_who_may_come_again(ceremony: Ceremony) -> None:
    ceremony.answer(ceremony.request())
    ceremony.answer(ceremony.request())
    ceremony.joiner = Identity(PrivateKey.generate(), None)
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(ceremony.request())
    assert problem(error) == Problem.USED


def test_a_node_does_not_pair_with_itself(ceremony: Ceremony) -> None:
    ceremony.joiner = ceremony.inviter
    with pytest.raises(PairingFailed) as error:
        ceremony.request()
    assert problem(error) == Problem.SAME_NODE


def test_a_paired_node_joins_only_its_peer_unless_it_replaces_it(
    ceremony: Ceremony, tmp_path: Path
) -> None:
    def paired_with(key: bytes) -> Identity:
        (tmp_path / key.hex()[-8:]).mkdir()
        store = KeyStore(tmp_path / key.hex()[-8:])
        own = ceremony.authority.issue(store.identity().public_key)
        pem = ceremony.authority.key.pem()
        return store.save(Pairing(ceremony.authority.certificate, pem, own, Peer(key, str(HERE))))

    other = paired_with(other_key())
    with pytest.raises(PairingFailed) as error:
        ceremony.joining(identity=other, replacing=False).request(
            ceremony.greeting, OTHER_NONCE, THERE
        )
    assert problem(error) == Problem.ALREADY_PAIRED
    for identity, replacing in (
        (other, True),
        (paired_with(ceremony.inviter.public_key), False),
    ):
        joining = ceremony.joining(identity=identity, replacing=replacing)
        ceremony.invitation = Invitation(
            ceremony.inviter, ceremony.authority, HERE, SECRET, 100.0, Limits()
        )
        ceremony.answer(joining.request(ceremony.greeting, OTHER_NONCE, THERE))


def test_another_version_is_said(ceremony: Ceremony) -> None:
    with pytest.raises(PairingFailed) as error:
        ceremony.request(msgspec.structs.replace(ceremony.greeting, version=2))
    assert problem(error) == Problem.OTHER_VERSION


def test_a_short_nonce_is_refused(ceremony: Ceremony) -> None:
    with pytest.raises(PairingFailed) as error:
        ceremony.request(msgspec.structs.replace(ceremony.greeting, nonce=b""))
    assert problem(error) == Problem.MALFORMED


@pytest.mark.parametrize("endpoint", ["", "nowhere", "192.0.2.1:99999", "\x1b[2J:1"])
def test_an_endpoint_that_is_none_is_refused(ceremony: Ceremony, endpoint: str) -> None:
    request = msgspec.structs.replace(ceremony.request(), endpoint=endpoint)
    with pytest.raises(PairingFailed) as error:
        ceremony.answer(request)
    assert problem(error) == Problem.MALFORMED
    good = ceremony.request()
    grant = msgspec.structs.replace(ceremony.answer(good)[0], endpoint=endpoint)
    with pytest.raises(PairingFailed) as error:
        ceremony.joining(replacing=False).accept(ceremony.greeting, good, grant, SEEN)
    assert problem(error) == Problem.MALFORMED


@pytest.mark.parametrize(
    "told, seen, reached",
    [
        ("0.0.0.0:2600", "192.0.2.7", "192.0.2.7:2600"),
        ("[::]:2600", "2001:db8::7", "[2001:db8::7]:2600"),
        ("192.0.2.1:2600", "192.0.2.7", "192.0.2.1:2600"),
    ],
)
def test_who_listens_everywhere_is_reached_where_it_was_seen(
    ceremony: Ceremony, told: str, seen: str, reached: str
) -> None:
    joining = ceremony.joining(replacing=False)
    request = joining.request(ceremony.greeting, OTHER_NONCE, Endpoint(told))
    grant, pairing = ceremony.invitation.answer(100.0, ceremony.greeting, request, seen)
    assert pairing.peer is not None
    assert pairing.peer.endpoint == reached
    grant = msgspec.structs.replace(grant, endpoint=told)
    accepted = joining.accept(ceremony.greeting, request, grant, seen)
    assert accepted.peer is not None
    assert accepted.peer.endpoint == reached


def test_a_key_that_is_none_is_refused(ceremony: Ceremony) -> None:
    greeting = msgspec.structs.replace(ceremony.greeting, public_key=b"no key")
    request = ceremony.request(greeting)
    ceremony.greeting = greeting
    grant, _ = ceremony.answer(request)
    with pytest.raises(PairingFailed, match="not a public key"):
        ceremony.joining(replacing=False).accept(greeting, request, grant, SEEN)


def test_a_grant_of_another_authority_is_refused(ceremony: Ceremony) -> None:
    request = ceremony.request()
    grant, _ = ceremony.answer(request)
    other = Authority.create()
    forged = msgspec.structs.replace(
        grant, authority_certificate=other.certificate, authority_key=other.key.pem()
    )
    with pytest.raises(PairingFailed, match="another authority"):
        ceremony.joining(replacing=False).accept(ceremony.greeting, request, forged, SEEN)


def test_a_certificate_for_another_key_is_refused(ceremony: Ceremony) -> None:
    request = ceremony.request()
    grant, _ = ceremony.answer(request)
    forged = msgspec.structs.replace(grant, certificate=ceremony.authority.issue(other_key()))
    with pytest.raises(PairingFailed, match="not for this node"):
        ceremony.joining(replacing=False).accept(ceremony.greeting, request, forged, SEEN)


def test_every_problem_says_what_to_do() -> None:
    for each in Problem:
        assert PairingFailed(each).hint or each == Problem.CANCELLED
        assert Refused(each.name, "why").error().problem == each
    assert Refused("NEW_PROBLEM", "").error().problem == Problem.MALFORMED
