"""Training: an index or a folder in, a run folder with weights out."""
