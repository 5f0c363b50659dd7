"""The web studio: a shell that the server renders, and static files."""
