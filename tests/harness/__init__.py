"""A real kube-apiserver and etcd for tests and demos, and the faults of real networks."""
