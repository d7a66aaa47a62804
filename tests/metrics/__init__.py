"""The janitor's metrics and Events, with real Prometheus tools."""
