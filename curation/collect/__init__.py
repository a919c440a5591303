"""Collect images from the web: search, download, check and take in, one job for each type."""
