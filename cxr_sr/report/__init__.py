"""The report of a run: written line by line, read back, gone on with."""
