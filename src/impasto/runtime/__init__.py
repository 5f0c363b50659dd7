"""Running a network's graph on this machine."""
