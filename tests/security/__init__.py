"""Rights, admission and network policies, and hostile answers."""
