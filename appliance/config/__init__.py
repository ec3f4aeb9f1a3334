"""Typed, validated configuration whose errors say what to do."""
