"""Losses: distances between features, their terms, and the sum that is optimised."""
