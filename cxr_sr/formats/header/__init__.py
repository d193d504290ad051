"""Derive the header of a result from its source by a table of rules."""
