"""`cxr-sr evaluate`: the command, its options and its comparison."""
