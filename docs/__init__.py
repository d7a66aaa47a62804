"""Pages for users, and the programs that generate such pages."""
