"""Architecture: the networks that are trained, in torch."""
