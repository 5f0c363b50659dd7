"""Probing: how a graph takes and gives pictures, found by running it in a process of its own."""
