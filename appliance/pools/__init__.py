"""Which of several servers gets the next client or message: pure rules for shells of both kinds."""
