"""Both images: their contents, and their work in a real container runtime."""
