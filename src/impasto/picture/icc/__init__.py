"""Colour profiles: what a file says of its colours, and the way from there to sRGB."""
