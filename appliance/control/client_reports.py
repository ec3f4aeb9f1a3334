"""The client's calls about reports."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from appliance.control.client_monitor import Asks
from appliance.control.schema_reports import (
    ReportFiles,
    ReportKey,
    ReportRequest,
    Reports,
    ReportView,
    Revealed,
)


class ReportCalls:
    """Part of `control.client.Client`."""

    def reports(self: Asks) -> Sequence[ReportView]:
        """The reports that are kept."""
        return self._get("/reports", Reports).reports

    def make_report(self: Asks, redact: bool) -> ReportFiles:
        """A report of now."""
        return self._post("/reports", ReportRequest(redact), ReportFiles)

    def report(self: Asks, name: str) -> ReportFiles:
        """One that is kept."""
        return self._get(f"/reports/files/{quote(name, safe='')}", ReportFiles)

    def report_key(self: Asks) -> str:
        """The public key that verifies this node's reports."""
        return self._get("/reports/key", ReportKey).key

    def reveal(self: Asks, pseudonym: str) -> str:
        """What a pseudonym stands for."""
        return self._get(f"/reports/pseudonyms/{quote(pseudonym, safe='')}", Revealed).name
