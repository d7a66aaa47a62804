"""The janitor's ways out, with real Prometheus tools."""
