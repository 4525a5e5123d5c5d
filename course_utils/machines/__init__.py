"""Data, and what trains, converts, measures and records."""
