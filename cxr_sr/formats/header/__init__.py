"""The header of a result, derived from its source by a table of rules."""
