"""Runs the commands that the pages show, and compares what they print."""
