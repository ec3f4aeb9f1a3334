"""What a node does by itself now and then: never mail, never in its way."""
