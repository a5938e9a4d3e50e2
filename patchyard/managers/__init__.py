"""Package managers: one module each, pure. What a tool says, parsed."""
