"""The files a training run leaves, and its lines on the screen."""
