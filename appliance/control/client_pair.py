"""Calls about pairing."""

from __future__ import annotations

from appliance.control.client_monitor import Asks
from appliance.control.schema import Done
from appliance.control.schema_pair import InvitationView, Invite, JoinPair, PairView


class PairCalls:
    """What a client asks about pairing."""

    def pair(self: Asks) -> PairView:
        """This node, its peer, and what pairing came to."""
        return self._get("/pair", PairView)

    def invitation(self: Asks) -> InvitationView:
        """The code that is good now; raises ApiError with code "not_found"."""
        return self._get("/pair/invitation", InvitationView)

    def invite(self: Asks, replacing: bool = False) -> InvitationView:
        """Wait for another node; the code to be typed there."""
        return self._post("/pair/invite", Invite(replacing), InvitationView)

    def cancel_invitation(self: Asks) -> str:
        """Wait no more; returns what happened."""
        return self._post("/pair/cancel", {}, Done).text

    def join_pair(self: Asks, code: str, at: str, replacing: bool = False) -> str:
        """Join the node that shows `code`; returns what happened."""
        return self._post("/pair/join", JoinPair(code, at, replacing), Done).text
