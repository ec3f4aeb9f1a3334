"""Backups as files: sealed for recovery keys that are on paper, in a folder or on a stick."""
