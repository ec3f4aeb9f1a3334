"""Alerts: what is not as it should be, since when, who knows of it, and what to do."""
