"""Pure parts and the house rules; no server."""
