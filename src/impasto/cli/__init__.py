"""The command line: a door that parses, calls and shows."""
