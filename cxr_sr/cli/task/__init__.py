"""`cxr-sr task`: train, run and evaluate heads for visual tasks."""
