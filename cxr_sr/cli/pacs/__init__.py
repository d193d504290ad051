"""The commands that connect to a PACS, and the command that watches a folder."""
