"""`cxr-sr train`: the command, its options and its settings."""
