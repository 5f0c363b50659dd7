"""The evaluation behind ``impasto evaluate``: pictures of pairs, scored, with intervals and controls."""
