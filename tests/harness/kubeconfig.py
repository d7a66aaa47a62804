"""Write kubeconfig files."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path


def write(folder: Path, server: str, ca_file: Path, namespace: str, user: Mapping[str, str]) -> Path:
    """A new file with one context; `user` is that section of the format (`token`, or `client-certificate` and key)."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }
    path = folder / f"{uuid.uuid4().hex}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))  # JSON is YAML
    return path
