"""SCRAM-SHA-256: the exchange of RFC 7677 §3, and clients that lie."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.identity import scram
from appliance.identity.scram import BadMessage, Verifier

FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CHALLENGE = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
UNPROVED = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
KNOWN = scram.verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)


def finish(message: str, known: Verifier = KNOWN) -> str | None:
    first = scram.client_first(FIRST)
    challenge = scram.server_first(first, NONCE, known)
    return scram.server_final(first, challenge, scram.client_final(message.encode()), known)


def test_the_exchange_of_the_rfc() -> None:
    first = scram.client_first(FIRST)
    assert first.user == "user"
    assert scram.server_first(first, NONCE, KNOWN) == CHALLENGE
    assert finish(f"{UNPROVED},p={PROOF}") == SIGNATURE


def test_the_verifier_is_no_password() -> None:
    stored = base64.b64encode(KNOWN.stored_key).decode()
    assert finish(f"{UNPROVED},p={stored}") is None
    assert finish(f"{UNPROVED},p=") is None


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=50)
def test_no_other_proof(proof: bytes) -> None:
    told = base64.b64encode(proof).decode()
    assert (finish(f"{UNPROVED},p={told}") is not None) is (told == PROOF)


@pytest.mark.parametrize(
    "message",
    [
        f"c=eSws,r={CHALLENGE.partition(',')[0][2:]},p={PROOF}",  # "y,," though it had said "n,,"
        f"c=biws,r=rOprNGfwEbeRWgbNEkqO,p={PROOF}",
        f"c=biws,r=other,p={PROOF}",
        f"c=b!ws,r=other,p={PROOF}",
        UNPROVED,
        "",
        ",,,",
    ],
)
def test_messages_that_do_not_belong_together(message: str) -> None:
    with pytest.raises(BadMessage):
        finish(message)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,n=user",
        b"p=tls-unique,,n=user,r=abc",
        b"x,,n=user,r=abc",
        b"n,a=root,n=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,r=a b",
        b"n,,n=us\xffer,r=abc",
        b"n,,n=user,r=" + b"x" * 2000,
    ],
)
def test_a_first_message_that_is_none(message: bytes) -> None:
    with pytest.raises(BadMessage):
        scram.client_first(message)


def test_names_with_a_comma() -> None:
    assert scram.client_first(b"y,a=a=2Cb=3D,n=a=2Cb=3D,r=x,ext=1").user == "a,b="


def test_a_decoy_is_always_the_same_and_fits_nothing() -> None:
    one = scram.decoy("nobody", b"secret", 4096)
    assert one == scram.decoy("nobody", b"secret", 4096)
    assert one.salt != scram.decoy("nobody2", b"secret", 4096).salt
    assert one.salt != scram.decoy("nobody", b"other", 4096).salt
    assert len(one.salt) == len(KNOWN.salt)
    assert len(one.stored_key) == len(KNOWN.stored_key)
    assert finish(f"{UNPROVED},p={PROOF}", one) is None


@given(st.text(min_size=1), st.binary(min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_whoever_knows_the_password_gets_in(password: str, salt: bytes) -> None:
    known = scram.verifier(password.encode("utf-8", "replace").decode(), salt, 4096)
    first = scram.client_first(FIRST)
    challenge = scram.server_first(first, NONCE, known)
    final = f"c=biws,r={first.nonce}{NONCE}"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "replace"), salt, 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    said = f"{first.bare},{challenge},{final}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    message = scram.client_final(f"{final},p={proof}".encode())
    assert scram.server_final(first, challenge, message, known) is not None
