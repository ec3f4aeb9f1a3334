"""A machine that is installed anew and keeps its mail is still reached by its address."""

from __future__ import annotations

from pathlib import Path

from appliance.machine.carried import put, taken
from appliance.machine.network import network_file

_ = network_file
