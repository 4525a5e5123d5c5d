"""Whole networks in NumPy: what a layer is, a `.tflite` file, float32 and integer inference."""
