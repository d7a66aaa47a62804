"""Scripts that run inside the images, with their Python."""
