"""Registrar: labels its own pod with its node and maintains that node's ClusterIP Service."""

__version__ = "0.2.0"
