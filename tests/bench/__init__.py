"""`make bench`: compares our programs with the hand-rolled stack, on one API server and in one run."""
