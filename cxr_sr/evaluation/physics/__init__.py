"""Measure noise and edges of a model's results on simulated images."""
