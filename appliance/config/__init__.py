"""Settings: node.toml (this machine's) and site.toml (the pair's), typed and checked."""

from appliance.config.document import ConfigError, Problem
from appliance.config.layout import Layout, open_layout
from appliance.config.node import NodeSettings, load_node
from appliance.config.site import SiteSettings, load_site

__all__ = [
    "ConfigError",
    "Layout",
    "NodeSettings",
    "Problem",
    "SiteSettings",
    "load_node",
    "load_site",
    "open_layout",
]
