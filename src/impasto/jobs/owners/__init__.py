"""Owners: whose styles and models are whose."""
