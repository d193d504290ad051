"""The commands that speak to a PACS, and the one that watches a folder."""
