"""One page to look at a run: before and after, in a browser, from the disk."""
