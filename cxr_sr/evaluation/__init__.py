"""How good an upscaled radiograph is: degrade, upscale, measure, compare."""
