"""Rights, policies and hostile answers."""
