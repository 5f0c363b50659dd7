"""The engine ``instant``: forward passes of networks."""
