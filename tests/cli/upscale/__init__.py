"""`cxr-sr upscale` by its modules."""
