"""The durable queue: SQLite, group commit, replication engine."""
