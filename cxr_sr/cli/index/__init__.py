"""`cxr-sr index`: the command, its options, and the rules and tables made of them."""
