"""Jobs: requests that outlive the caller."""
