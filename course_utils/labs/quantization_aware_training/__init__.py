"""Training a network for its rounding."""

NUMBER = "09"
