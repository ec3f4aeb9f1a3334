"""The virtual addresses on this machine: who binds them, and what drives `appliance.failover`."""
