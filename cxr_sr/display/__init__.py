"""Radiographs as a screen shows them: gray values, square pixels, a picture file."""
