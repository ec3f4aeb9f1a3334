"""The control API's messages about tracking mail; events are in `monitor.log.told`."""

from __future__ import annotations

import msgspec

from appliance.mail.views import MessageStory
from appliance.monitor.log.told import Told


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """One message: what the events of both nodes tell, oldest first, and what the spool has.

    `accepted` is None if that is longer ago than events are kept; `story` is None once the message
    has left the spool.
    """

    queue_id: str
    accepted: Told | None
    events: tuple[Told, ...]
    story: MessageStory | None


class TrackPage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that fit, the latest first.

    `older` goes on, "" if nothing older fits; `searched_to` says how far was looked, if the time
    was up before.
    """

    messages: tuple[Tracked, ...]
    older: str = ""
    searched_to: str = ""
