"""Images for training: chosen, decoded, cut into crops and degraded."""
