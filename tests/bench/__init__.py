"""`make bench`: ours beside the hand-rolled stack, on one API server, in one run."""
