"""The root helper: the few things of the machine that only root can do, for the node's user.

Its requests are in `appliance.ipc.machine`. Each family of handlers is a module here.
"""
