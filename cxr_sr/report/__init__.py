"""Write the report of a run, read it, and continue a run."""
