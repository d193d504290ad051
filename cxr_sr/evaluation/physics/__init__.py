"""What a model does to noise and to edges: images made for it, with known answers."""
