"""Options that commands share, and values that they parse."""
