"""Tables of images: which files, whose, on which side of a split. Needs no torch."""
