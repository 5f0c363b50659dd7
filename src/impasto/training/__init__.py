"""Training: networks, from photographs and paintings."""
