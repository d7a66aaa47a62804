"""Tests and their harness."""
