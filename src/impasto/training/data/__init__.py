"""Data: what a network is trained on."""
