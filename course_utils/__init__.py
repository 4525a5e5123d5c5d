"""Helpers of the model-optimization lab.

Three floors, and imports only go down: numbers (NumPy only), machines (data, training,
conversion), views (figures, widgets, checks). Importing this package imports nothing else.
"""
