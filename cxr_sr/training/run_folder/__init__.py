"""The files of a training run, and its progress on the screen."""
