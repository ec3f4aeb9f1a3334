"""The `twinpost` command."""
