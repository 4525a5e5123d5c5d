"""Neurons, channels and patterns go; the network trains on; what zeros buy."""

NUMBER = "03"
