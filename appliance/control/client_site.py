"""The client's calls about settings as text: the site's, and a node's own."""

from __future__ import annotations

from urllib.parse import quote

from appliance.control.client_monitor import Asks
from appliance.control.schema_node import ChangeNode, CheckNode, NodeDraft, NodeText
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

    def node_text(self: Asks) -> NodeText:
        """What node.toml says, and what it said before."""
        return self._get("/node/settings", NodeText)

    def check_node(self: Asks, text: str) -> NodeDraft:
        """What `text` would change; raises ApiError "bad_request" with what is wrong."""
        return self._post("/node/settings/check", CheckNode(text), NodeDraft)

    def change_node(self: Asks, text: str, before: str) -> NodeDraft:
        """Have node.toml say `text` in place of `before`: the node's services start anew."""
        return self._post("/node/settings", ChangeNode(text, before), NodeDraft)
