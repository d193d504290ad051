"""Tables of images with their patients and splits; needs no torch."""
