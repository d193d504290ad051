"""Train a network on an index or a folder; leave its weights in a run folder."""
