"""What a person or a schedule starts. Order, fan-out and waiting; no rule and no I/O of its own."""
