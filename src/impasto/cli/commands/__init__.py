"""Commands: each module holds one of its own name."""
