"""Every interleaving of both programs in a small world, against an API server in memory."""
