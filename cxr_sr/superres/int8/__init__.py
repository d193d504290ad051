"""For int8 only: more gain where contrast is low, less where it saturates."""
