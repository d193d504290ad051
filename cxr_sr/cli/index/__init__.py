"""`cxr-sr index`: the command, its options, its rules and its output."""
