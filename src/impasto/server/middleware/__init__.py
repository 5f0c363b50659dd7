"""Middleware: what every request passes, and what every answer carries."""
