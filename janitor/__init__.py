"""Janitor: deletes the Services of nodes that no longer exist. If uncertain, it keeps them."""
