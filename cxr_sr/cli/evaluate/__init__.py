"""`cxr-sr evaluate`: the command, its options and what it measures."""
