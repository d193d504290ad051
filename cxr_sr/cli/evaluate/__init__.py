"""`cxr-sr evaluate`: the command, its options and the comparison that it makes."""
