"""The lecture's formulas in NumPy, a file a chapter: read these."""
