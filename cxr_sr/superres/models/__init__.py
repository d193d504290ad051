"""The networks: what describes one, where they are found, how they are built."""
