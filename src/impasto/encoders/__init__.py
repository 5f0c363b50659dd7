"""Encoders: pictures to features, for perceptual losses."""
