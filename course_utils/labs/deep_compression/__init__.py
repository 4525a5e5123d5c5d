"""Notebook 10: Deep Compression: prune, share, code, every byte counted, and run in TFLM."""

NUMBER = "10"
