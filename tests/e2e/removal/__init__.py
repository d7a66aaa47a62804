"""What the scenarios left behind, looked at from outside their sandbox."""
