"""The layer IR: networks as layers with weights, and graphs fitted to pictures of any size."""
