"""Segment and classify radiographs with heads on the features of a trunk."""
