"""Process many files: plan the outputs, then make them in one or several processes."""
