"""Export of a trained network to a file."""
