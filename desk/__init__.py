"""People answering: agents, the queue, call backs, tickets and their clocks."""
