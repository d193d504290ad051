"""Prepare radiographs for display: gray values of a screen, square pixels."""
