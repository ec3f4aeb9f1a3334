"""The offline bundle: one file with all that a node needs, made here, verified and installed there.

Runs on a bare Debian 13: Python's standard library and openssl's command, nothing else.
"""
