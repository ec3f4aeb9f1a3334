"""The control API: server, client, schema."""
