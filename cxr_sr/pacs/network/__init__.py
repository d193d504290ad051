"""Talking to other nodes: addresses, what is offered, C-STORE, queries, DICOMweb."""
