"""The models: their descriptions, files, networks and layers."""
