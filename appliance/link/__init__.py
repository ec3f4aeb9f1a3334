"""The peer link: pinned mutual TLS, frames, pairing."""
