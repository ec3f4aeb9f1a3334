"""The TCP balancer in front of the pair's SMTP servers."""
