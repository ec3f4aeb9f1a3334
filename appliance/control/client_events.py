"""The client's calls about events and tracking."""

from __future__ import annotations

from urllib.parse import urlencode

from appliance.control.client_monitor import Asks
from appliance.control.schema_events import TrackPage
from appliance.monitor.log.told import EventNews, EventPage, Wanted
from appliance.monitor.severity import Severity


class EventCalls:
    """Part of `control.client.Client`."""

    def events(self: Asks, wanted: Wanted, limit: int, older: str = "") -> EventPage:
        """At most `limit` events that fit, the newest first, from behind the place `older`."""
        asked = [*_filter(wanted), ("limit", str(limit)), ("older", older)]
        return self._get(f"/events?{urlencode(asked)}", EventPage)

    def news(self: Asks, wanted: Wanted, end: str, limit: int, wait: int) -> EventNews:
        """What came after the place `end`, within `wait` seconds if need be, the oldest first."""
        asked = [*_filter(wanted), ("limit", str(limit)), ("end", end), ("wait", str(wait))]
        return self._get(f"/events/news?{urlencode(asked)}", EventNews)

    def track(
        self: Asks,
        *,
        queue_id: str = "",
        message_id: str = "",
        sender: str = "",
        recipient: str = "",
        since: int | None = None,
        until: int | None = None,
        limit: int = 20,
        older: str = "",
    ) -> TrackPage:
        """Where mail is; raises ApiError "not_found" if nothing is known of `queue_id`."""
        asked = {
            "id": queue_id,
            "message_id": message_id,
            "sender": sender,
            "recipient": recipient,
            "since": since,
            "until": until,
            "limit": limit,
            "older": older,
        }
        given = {name: value for name, value in asked.items() if value not in ("", None)}
        return self._get(f"/track?{urlencode(given)}", TrackPage)


def _filter(wanted: Wanted) -> list[tuple[str, str]]:
    asked = [("event", one) for one in wanted.events]
    asked += [("node", wanted.node), ("process", wanted.process), ("id", wanted.queue_id)]
    asked += [("text", wanted.text)]
    if wanted.severity is not Severity.INFO:
        asked.append(("severity", wanted.severity))
    times = (("since", wanted.since), ("until", wanted.until))
    asked += [(name, str(at)) for name, at in times if at is not None]
    return [(name, value) for name, value in asked if value]
