"""Seeded faults: a thousand ways in which a run can go wrong, and what must hold after each."""
