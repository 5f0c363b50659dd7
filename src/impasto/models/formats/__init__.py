"""File formats of networks, read within bounds: nothing in a file is ever run."""
