"""`cxr-sr upscale`: the command, its options, and the recipe made of them."""
