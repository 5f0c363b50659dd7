"""Impasto's nodes for ComfyUI: put this folder into ``custom_nodes``, with Impasto in the same environment."""

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
