"""Readers: the networks that people have, from the files they have them in, without running anything in these."""

from impasto.models.readers.recognise import read_network

__all__ = ["read_network"]
