"""Inference: graphs run on this machine, whole or in tiles."""
