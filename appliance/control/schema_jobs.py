"""The control API's messages about jobs; how a job is, is in `monitor.jobs`."""

from __future__ import annotations

import msgspec

from appliance.monitor.jobs import JobView, RunView


class Jobs(msgspec.Struct, frozen=True):
    """All jobs of the node."""

    jobs: tuple[JobView, ...]


class Runs(msgspec.Struct, frozen=True):
    """What jobs did, the latest first."""

    runs: tuple[RunView, ...]
