"""Builds, measures and lists the two images: `make images`. Tests use its cache of binaries and its progress, too."""
