"""Arrays in, arrays out: scaling, networks, tiles, projection."""
