"""Builds, measures and lists the two images: `make images`."""
