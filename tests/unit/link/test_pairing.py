"""Pairing: who has the code becomes the peer, once, within its time and tries."""

from __future__ import annotations

import asyncio

import pytest

from appliance.link.ceremony import (
    Limits,
    PairingFailed,
    Problem,
)
from appliance.link.certificates import Authority
from appliance.link.code import PairingCode
from appliance.link.identity import Identity
from appliance.link.pairing import Inviting, join, start_pairing
from tests.unit.link.nodes import ANYWHERE
from tests.unit.link.table import LINK_A, LINK_B, Table, at, code_of


def misremembered(inviting: Inviting) -> PairingCode:
    return PairingCode(code_of(inviting).authority, b"9 letters")


async def paired(table: Table) -> tuple[Identity, Identity]:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    joined = await join(table.b, code_of(inviting), at(inviting), LINK_B)
    invited = await waiting
    assert joined.peer == table.b.identity().peer
    assert invited.peer == table.a.identity().peer
    return table.a.identity(), table.b.identity()


def authority_of(identity: Identity) -> Authority:
    assert identity.pairing is not None
    return identity.pairing.authority


async def test_two_nodes_are_paired_and_link(table: Table) -> None:
    a, b = await paired(table)
    assert a.peer is not None
    assert b.peer is not None
    assert (a.peer.public_key, a.peer.endpoint) == (b.public_key, LINK_B)
    assert (b.peer.public_key, b.peer.endpoint) == (a.public_key, LINK_A)
    low, high = sorted((a, b), key=lambda identity: identity.node_id)
    listening = await table.nodes.listening(high)
    dialling = await table.nodes.dialling(low, listening.link.port)
    await dialling.ear.up()
    await listening.ear.up()


async def test_the_listener_is_gone_when_the_code_is_used(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)
    with pytest.raises(PairingFailed) as error:
        await join(table.nodes.store(), code_of(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.UNREACHABLE


async def test_the_one_who_joined_can_invite_a_replacement(table: Table) -> None:
    a, _ = await paired(table)
    newcomer = table.nodes.store()
    with pytest.raises(PairingFailed) as error:
        await table.invite(table.b)
    assert error.value.problem == Problem.ALREADY_PAIRED
    inviting = await table.invite(table.b, replacing=True)
    assert code_of(inviting).matches(authority_of(a).key.public_key)
    await join(newcomer, code_of(inviting), at(inviting), LINK_A)
    await inviting.wait()
    assert authority_of(newcomer.identity()).key.pem() == authority_of(a).key.pem()
    peer = table.b.identity().peer
    assert peer is not None
    assert peer.public_key == newcomer.identity().public_key


async def test_a_wrong_secret_is_refused_five_times_and_then_the_code_is_dead(
    table: Table,
) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    for _ in range(4):
        with pytest.raises(PairingFailed) as error:
            await join(table.b, misremembered(inviting), at(inviting), LINK_B)
        assert error.value.problem == Problem.WRONG_SECRET
        assert not waiting.done()
    with pytest.raises(PairingFailed) as error:
        await join(table.b, misremembered(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.TOO_MANY_TRIES
    with pytest.raises(PairingFailed) as error:
        await waiting
    assert error.value.problem == Problem.TOO_MANY_TRIES
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)
    assert table.a.identity().pairing is None
    assert table.b.identity().pairing is None


async def test_a_wrong_secret_leaves_four_tries(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    with pytest.raises(PairingFailed):
        await join(table.b, misremembered(inviting), at(inviting), LINK_B)
    await join(table.b, code_of(inviting), at(inviting), LINK_B)
    await waiting


async def test_the_listener_closes_when_the_code_expires(table: Table) -> None:
    inviting = await table.invite(limits=Limits(lifetime=0.01))
    with pytest.raises(PairingFailed) as error:
        await inviting.wait()
    assert error.value.problem == Problem.EXPIRED
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)


async def test_a_code_that_expires_during_the_ceremony_is_refused(table: Table) -> None:
    time = [0.0]
    inviting = await start_pairing(table.a, ANYWHERE, LINK_A, now=lambda: time[0])
    waiting = asyncio.create_task(inviting.wait())
    time[0] = 600.0
    with pytest.raises(PairingFailed) as error:
        await join(table.b, code_of(inviting), at(inviting), LINK_B)
    assert error.value.problem == Problem.EXPIRED
    with pytest.raises(PairingFailed):
        await waiting


async def test_an_invitation_can_be_taken_back(table: Table) -> None:
    inviting = await table.invite()
    waiting = asyncio.create_task(inviting.wait())
    await asyncio.sleep(0)
    await inviting.close()
    with pytest.raises(PairingFailed) as error:
        await waiting
    assert error.value.problem == Problem.CANCELLED
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inviting.port)
