"""`make matrix`: which releases of Kubernetes and of the Python client work."""
