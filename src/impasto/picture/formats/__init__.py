"""Formats that Pillow alone does not do: TIFF, and PNG with 16 bits a channel."""
