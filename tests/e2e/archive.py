"""Make an image of one layer as a docker-archive, which `crane push` reads.

Format: https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
"""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(target: Path, name: str, layer: Path, config: Mapping[str, Any]) -> None:
    """Image `name` from a tar of its root file system; `target` appears whole or not at all.

    The layer is compressed here, once, or each push would do so.
    """
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    image = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    described = f"{hashlib.sha256(image).hexdigest()}.json"
    manifest = [{"Config": described, "RepoTags": [name], "Layers": [f"{digest}.tar.gz"]}]
    unfinished, compressed = target.with_suffix(".unfinished"), layer.with_suffix(".gz")
    with layer.open("rb") as content, gzip.open(compressed, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(content, packed)
    with tarfile.open(unfinished, "w") as archive:
        archive.add(compressed, f"{digest}.tar.gz")
        _add(archive, described, image)
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    compressed.unlink()
    unfinished.rename(target)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
