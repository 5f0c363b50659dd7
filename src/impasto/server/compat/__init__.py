"""Compat: doors of other public programs, so that their clients can point here."""
