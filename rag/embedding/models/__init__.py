"""Models in files: what a folder or the hub holds, checked, and the ONNX graphs that are made of it."""
