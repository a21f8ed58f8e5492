"""Reading and checking of COCO annotation files."""
