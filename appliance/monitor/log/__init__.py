"""The events of both nodes, kept: followed from log files, pulled from the peer, asked for."""
