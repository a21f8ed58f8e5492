"""Image files and geometry: NumPy and OpenCV only."""
