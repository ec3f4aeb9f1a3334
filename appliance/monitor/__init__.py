"""Events, health, metrics."""
