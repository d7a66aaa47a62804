"""A real kube-apiserver and etcd for tests and demos, and what a real network does to them."""
