"""The first boot: what a machine is asked before it is a node."""
