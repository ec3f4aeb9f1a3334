"""The client's calls about the site as text."""

from __future__ import annotations

from urllib.parse import quote

from appliance.control.client_monitor import Asks
from appliance.control.schema_site import CheckSite, SiteDraft, SiteText


class SiteTextCalls:
    """Part of `control.client.Client`."""

    def site_text(self: Asks) -> SiteText:
        """The site in force as TOML."""
        return self._get("/site/text", SiteText)

    def check_site(self: Asks, text: str) -> SiteDraft:
        """What `text` would change; raises ApiError "bad_request" with all that is wrong."""
        return self._post("/site/check", CheckSite(text), SiteDraft)

    def draft_of(self: Asks, version: str) -> SiteDraft:
        """What going back to a version would change."""
        return self._get(f"/site/versions/{quote(version, safe='')}/draft", SiteDraft)
