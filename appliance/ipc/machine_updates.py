"""What the root helper is asked about updates. No path: the bundle is the one that was received."""

from __future__ import annotations

import msgspec

from appliance.ipc.machine import Request


class StartUpdate(Request, frozen=True):
    """Update this node from the bundle that control has received; also without its peer?

    Answered by UpdateBegun, once it has begun.
    """

    while_alone: bool = False


class GoBack(Request, frozen=True):
    """Use the release before again. Answered by UpdateBegun, once it has begun."""


class UpdateBegun(msgspec.Struct, frozen=True):
    """Seconds since 1970, by this node's clock: it names the update."""

    began: int
