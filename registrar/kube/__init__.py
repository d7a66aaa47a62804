"""Access to the API server, for both programs."""
