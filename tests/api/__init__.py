"""Both programs against a real kube-apiserver."""
