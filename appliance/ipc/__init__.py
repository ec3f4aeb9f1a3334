"""Frames over Unix sockets between the processes of a node: pipelined, typed, capped.

`server.serve` and `client.connect` open the two ends, `wire` names what travels, `frames` is the
framing that the peer link shares.
"""
