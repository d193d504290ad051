"""Many files: plan the outputs, then make them, in one process or in many."""
