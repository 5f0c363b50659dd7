"""Routes: the addresses of the HTTP API and of the studio."""
