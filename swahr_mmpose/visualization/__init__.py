"""Drawing people, and the keypoint widths that the scale branch predicts."""
