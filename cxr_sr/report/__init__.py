"""The report of a run: write it, read it, and continue the run from it."""
