"""Reads an image's archive (OCI layout): its digest, its sizes, its files."""

import gzip
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Layer:
    """One layer: its name in the archive, the digest of what it unpacks to, and its sizes in bytes."""

    name: str
    diff_id: str
    compressed: int
    unpacked: int


class Archive:
    """An image of one platform, as `images.builders.Builder.save` writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def digest(self) -> str:
        """Digest of the manifest: what a registry calls the image."""
        return str(self._index["digest"])

    @cached_property
    def config(self) -> dict[str, Any]:
        """The image's configuration: `config` has user, environment, entry point and labels."""
        return self._json(self._manifest["config"]["digest"])

    @cached_property
    def layers(self) -> list[Layer]:
        """From the bottom up."""
        diff_ids = self.config["rootfs"]["diff_ids"]
        blobs = [_blob(each["digest"]) for each in self._manifest["layers"]]
        return [self._measure(blob, diff_id) for blob, diff_id in zip(blobs, diff_ids, strict=True)]

    @property
    def compressed(self) -> int:
        """Bytes that a registry holds and a node pulls."""
        return sum(layer.compressed for layer in self.layers)

    @property
    def unpacked(self) -> int:
        """Bytes of all files."""
        return sum(layer.unpacked for layer in self.layers)

    def beyond(self, other: "Archive") -> int:
        """Compressed bytes that a node with `other` on it has yet to pull."""
        there = {layer.diff_id for layer in other.layers}
        return sum(layer.compressed for layer in self.layers if layer.diff_id not in there)

    def files(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """Every entry of every layer, and its content where it is a file. No layer here removes a file of another."""
        for layer in self.layers:
            with self._layer(layer.name) as tar:
                for member in tar:
                    yield member, tar.extractfile(member) if member.isfile() else None

    def unpack(self, folder: Path) -> None:
        """Write the image's file system to `folder`."""
        for layer in self.layers:
            with self._layer(layer.name) as tar:
                # since Python 3.11.4, which is newer than Debian 12's; before, and without it, archives are trusted
                tar.extraction_filter = getattr(tarfile, "tar_filter", None)
                tar.extractall(folder)  # noqa: S202 - an image of our own build

    @cached_property
    def _index(self) -> dict[str, Any]:
        with self._open("index.json") as content:
            [manifest] = json.load(content)["manifests"]
        return dict(manifest)

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        return self._json(self.digest)

    def _json(self, digest: str) -> dict[str, Any]:
        with self._open(_blob(digest)) as content:
            return dict(json.load(content))

    def _measure(self, name: str, diff_id: str) -> Layer:
        with self._layer(name) as tar:
            unpacked = sum(member.size for member in tar)
        with self._open(name) as content:
            data = content.read()
        # docker saves layers as they are: what a registry would hold is compressed
        compressed = len(data) if data[:2] == b"\x1f\x8b" else len(gzip.compress(data, 6))
        return Layer(name, diff_id, compressed, unpacked)

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with tarfile.open(self.path) as tar:
            content = tar.extractfile(name)
            if content is None:
                raise ValueError(f"{self.path}: {name} is no file")
            yield content

    @contextmanager
    def _layer(self, name: str) -> Iterator[tarfile.TarFile]:
        with self._open(name) as content, tarfile.open(fileobj=content, mode="r:*") as tar:
            yield tar


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
