"""What ``impasto stylize`` does: photographs found, repainted here or by a server, and saved."""
