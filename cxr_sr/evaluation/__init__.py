"""Measure the quality of upscaled radiographs: degrade, upscale, measure, compare."""
