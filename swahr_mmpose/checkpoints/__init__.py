"""Weights: safe reading, download, checks, other layouts, weights by name."""
