"""The canonical dump: what two healed nodes must agree on, to the byte."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from appliance.replica.frames import Carried
from appliance.replica.message import MessageState
from appliance.replica.ownership import Claim
from appliance.replica.registers import Register
from appliance.replica.site_versions import Header

_encode = msgspec.msgpack.Encoder().encode


class MessageDump(msgspec.Struct, frozen=True, array_like=True):
    """One message without anything that is only this node's (rows, lanes, local times)."""

    queue_id: str
    state: MessageState
    envelope: bytes
    size: int
    digest: bytes
    mailboxes: tuple[str, ...]


def canonical(
    messages: Iterable[MessageDump],
    claims: Iterable[Claim],
    versions: Iterable[Header],
    registers: Iterable[Register],
    carried: Iterable[Carried] = (),
) -> list[bytes]:
    """One line for each message, in order of queue id, then one for each claim.

    After them the site's versions (an id is a hash over the document, too), its registers, and
    records of a later release.
    """
    lines = [_encode(message) for message in sorted(messages, key=lambda m: m.queue_id)]
    ranked = sorted(claims, key=lambda c: (c.epoch, c.owner))
    lines += [_encode((c.epoch, c.owner, sorted(c.scope.items()), c.doubt)) for c in ranked]
    lines += [_encode(version) for version in sorted(versions, key=lambda one: one.strength)]
    lines += [_encode(one) for one in sorted(registers, key=lambda r: (r.table, r.key))]
    return lines + [_encode(one) for one in sorted(carried, key=lambda c: (c.incarnation, c.seq))]


def digest(lines: Iterable[bytes]) -> str:
    """SHA-256 over a canonical dump, for comparing nodes without sending it."""
    total = sha256()
    for line in lines:
        total.update(len(line).to_bytes(8, "big") + line)
    return total.hexdigest()
