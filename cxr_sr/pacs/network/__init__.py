"""Connect to other nodes: addresses, services, C-STORE, queries, DICOMweb."""
