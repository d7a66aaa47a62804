"""Pure modules and the house rules; these tests need no server."""
