"""`cxr-sr upscale`: the command, its options and its recipe."""
