"""An example of plugins for Impasto: one of each kind."""
