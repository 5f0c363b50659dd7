"""Architectures that are recognised in files: whose layers they are, and in which order."""
