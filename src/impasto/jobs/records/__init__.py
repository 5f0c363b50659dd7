"""Records: jobs, their items and events in a database, and their bytes on disk."""
