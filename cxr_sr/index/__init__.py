"""Make and read tables of images with their patients and splits; needs no torch."""
