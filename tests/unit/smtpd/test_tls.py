"""TLS without a network: the handshake cut everywhere, and what is no TLS at all."""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtpd.tls import Tls, TlsFailed
from appliance.trust.contexts import client_context
from tests.support.trust import server


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return server(), client_context((), verify=False)


class Client:
    """The other side."""

    def __init__(self, version: ssl.TLSVersion) -> None:
        _, context = contexts()
        context.minimum_version = context.maximum_version = version
        self._incoming, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self._incoming, self.out, server_hostname="node.site.test")
        self.shaken = False
        self.shake()

    def take(self, data: bytes) -> None:
        self._incoming.write(data)

    def shake(self) -> None:
        try:
            self.ssl.do_handshake()
            self.shaken = True
        except ssl.SSLWantReadError:
            pass


def joined(version: ssl.TLSVersion, step: int) -> tuple[Tls, Client]:
    """Both sides past the handshake; the server gets `step` bytes at a time."""
    tls, client = Tls(contexts()[0]), Client(version)
    while not (tls.established and client.shaken):
        data = client.out.read()
        for at in range(0, len(data), step):
            assert tls.feed(data[at : at + step]) == b""
        client.take(tls.output())
        client.shake()
    return tls, client


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_however_it_is_cut(version: ssl.TLSVersion, step: int) -> None:
    tls, client = joined(version, step)
    client.ssl.write(b"EHLO x\r\n" * 5000)
    data = client.out.read()
    read = b"".join(tls.feed(data[at : at + step]) for at in range(0, len(data), step))
    assert read == b"EHLO x\r\n" * 5000
    tls.write(b"250 x\r\n")
    client.take(tls.output())
    assert client.ssl.read(100) == b"250 x\r\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_goodbye_ends_what_is_read(version: ssl.TLSVersion) -> None:
    tls, client = joined(version, 1000)
    client.ssl.write(b"QUIT\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.ssl.unwrap()
    assert tls.feed(client.out.read()) == b"QUIT\r\n"
    assert tls.ended
    assert tls.feed(b"whatever") == b""
    tls.write(b"221 bye\r\n")
    tls.close()
    tls.close()
    assert tls.output()


def test_neither_renegotiation_nor_compression() -> None:
    assert contexts()[0].options & ssl.OP_NO_RENEGOTIATION
    assert contexts()[0].options & ssl.OP_NO_COMPRESSION


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5))
def test_garbage_is_a_failure_or_waits_and_nothing_else(pieces: list[bytes]) -> None:
    tls = Tls(contexts()[0])
    for piece in pieces:
        with suppress(TlsFailed):
            assert tls.feed(piece) == b""
    assert not tls.established
    tls.close()
    tls.output()


@given(st.data())
def test_a_flipped_bit_breaks_it_for_good(data: st.DataObject) -> None:
    tls, client = joined(ssl.TLSVersion.TLSv1_3, 100_000)
    client.ssl.write(b"MAIL FROM:<a@b.example>\r\n")
    sent = bytearray(client.out.read())
    at = data.draw(st.integers(5, len(sent) - 1))
    sent[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TlsFailed):
        tls.feed(bytes(sent))
    client.ssl.write(b"QUIT\r\n")
    assert tls.feed(client.out.read()) == b""
    tls.write(b"250 x\r\n")
    tls.close()
