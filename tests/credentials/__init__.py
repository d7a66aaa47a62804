"""Credentials and environment: both programs beside kubectl."""
