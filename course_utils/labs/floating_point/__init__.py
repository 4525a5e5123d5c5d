"""The bits of a float, and networks in smaller formats."""

NUMBER = "05"
