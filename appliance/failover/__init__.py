"""Pure VRRP-style failover (RFC 9568); no I/O, no clock, no randomness."""
