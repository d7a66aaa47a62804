"""Random faults drawn from a seed, and invariants that must hold after each run."""
