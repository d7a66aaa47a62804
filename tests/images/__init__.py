"""Both images: what is in them, and what they do in a real container runtime."""
