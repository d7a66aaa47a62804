"""A real two-node cluster on one machine, in namespaces that end with one process; `make e2e` runs its scenarios."""
