"""Weights below a threshold become zeros."""

NUMBER = "02"
