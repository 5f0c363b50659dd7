"""The terminal: what is shown there, and signals from it."""
