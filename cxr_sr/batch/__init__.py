"""Many files: what is to be done, doing it, and the report of what was done."""
