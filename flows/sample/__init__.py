"""A small site and a small GitHub export, and the servers that bring them to the demo."""
