"""Ways to make a pastiche."""
