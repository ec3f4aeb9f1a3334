"""What was found out beside the looks at a node: by watching it, and from the other node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.monitor.availability import AvailabilityView, Probed
from appliance.monitor.jobs import JobView
from appliance.monitor.restarts import Restarts


@dataclass
class Findings:
    """`clock_offset`: how far the other node's wall clock is ahead, in ms, None if unknown.

    `peer_smtp`: where the other node says that its SMTP clients are greeted. `peer_release`: what
    it runs, "" if unknown. `peer_routers`: its virtual addresses by VRID, None if unknown.
    """

    restarts: Restarts = field(default_factory=Restarts)
    clock_offset: int | None = None
    jobs: Callable[[], tuple[JobView, ...]] = tuple
    peer_smtp: tuple[str, int] | None = None
    peer_release: str = ""
    peer_routers: Mapping[str, Sequence[str]] | None = None
    probed: Mapping[str, Probed] = field(default_factory=dict)
    availability: tuple[AvailabilityView, ...] = ()
