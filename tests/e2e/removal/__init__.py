"""Checks, from outside of the sandbox, that the scenarios leave nothing behind."""
