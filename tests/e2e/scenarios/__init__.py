"""Scenarios of use on a real two-node cluster."""
