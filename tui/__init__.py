"""The console: a terminal UI that sees nothing of a node but its control API."""
