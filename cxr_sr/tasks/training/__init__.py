"""Train a head: its network, data, loop and run folder."""
