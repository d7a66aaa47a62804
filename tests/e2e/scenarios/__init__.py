"""What users do, on a real two-node cluster."""
