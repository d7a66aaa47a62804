"""Janitor: removes the Services of nodes that are gone. Uncertain means keep."""
