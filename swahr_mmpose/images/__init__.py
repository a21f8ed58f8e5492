"""Image files, videos and geometry: NumPy, OpenCV and Pillow only."""
