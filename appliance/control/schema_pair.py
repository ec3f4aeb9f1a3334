"""The control API's messages about pairing."""

from __future__ import annotations

import msgspec

from appliance.mail.views import PeerView


class PairPeer(msgspec.Struct, frozen=True, kw_only=True):
    """The node this one is paired with, and where its link listens."""

    node_id: str
    endpoint: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The last pairing since the control process started.

    `kind`: invite or join. `state`: waiting, joining, paired or failed. `error` and `hint` say why
    it failed. `expires_in` in milliseconds and `tries_left` are those of the code while it waits.
    """

    kind: str
    state: str
    replacing: bool
    error: str = ""
    hint: str = ""
    expires_in: int | None = None
    tries_left: int | None = None


class PairView(msgspec.Struct, frozen=True, kw_only=True):
    """This node, its peer, the link, and what pairing came to.

    `listen`: where this node waits for a joiner while a code is good. `link` is null while the mail
    process does not answer, and for a node without a peer.
    """

    node_id: str
    listen: str
    peer: PairPeer | None
    link: PeerView | None
    attempt: Attempt | None


class Invite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wait for another node; `replacing` the dead one that this node is paired with."""

    replacing: bool = False


class InvitationView(msgspec.Struct, frozen=True, kw_only=True):
    """What a person carries to the other node: the `code`, good at `at`."""

    code: str
    at: str
    expires_in: int
    tries_left: int

    def __repr__(self) -> str:
        return "InvitationView(…)"


class JoinPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Join the node that shows `code` and waits at `at`; `replacing`: forget the peer of before."""

    code: str
    at: str
    replacing: bool = False

    def __repr__(self) -> str:
        return "JoinPair(…)"
