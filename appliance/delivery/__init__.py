"""Mail out: leases in, outcomes back."""
