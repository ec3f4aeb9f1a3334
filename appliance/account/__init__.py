"""The page at which users change their password, and the list of revoked certificates."""
