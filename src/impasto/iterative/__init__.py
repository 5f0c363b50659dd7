"""The engine ``iterative``: the picture itself is optimised against perceptual losses."""
