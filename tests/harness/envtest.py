"""Download the release archives of envtest: etcd, kube-apiserver and kubectl, verified by sha512.

The index of the archives belongs to kubernetes-sigs/controller-tools; ENVTEST_INDEX names a mirror's.
"""

import hashlib
import os
import queue
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import yaml

from images.progress import Job
from tests.harness.toolchain import UnavailableError, system

INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
FOLDER = "controller-tools/envtest"  # of the binaries in an archive
BINARIES = ("etcd", "kube-apiserver", "kubectl")
INDEX_DEADLINE = 6.0  # seconds for 30 kB, name resolution included; after that, build from Go modules
CONNECT_TIMEOUT = 3.0
STALL_TIMEOUT = 30.0
ATTEMPTS = 3  # each continues where the one before was interrupted
CHUNK = 1 << 16  # what an interruption loses at most


def obtain(version: str, folder: Path, job: Job) -> None:
    """Create `folder` with the three binaries, by one rename. Raises UnavailableError if they cannot be had."""
    url, digest = _look_up(version)
    archive = folder.with_name(url.rpartition("/")[2] + ".part")
    archive.parent.mkdir(parents=True, exist_ok=True)
    job.say(f"downloading {url}")
    resumed = archive.exists()
    _download(url, archive, job)
    if resumed and _sha512(archive) != digest:  # the existing part may belong to another archive
        archive.unlink()
        _download(url, archive, job)
    if (found := _sha512(archive)) != digest:
        archive.unlink()
        raise UnavailableError(f"envtest: {url} has the sha512 {found[:12]}…, the index says {digest[:12]}…: not used")
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)  # left by a run that was killed
    scratch.mkdir()
    _unpack(archive, scratch)
    archive.unlink()
    scratch.rename(folder)


def _look_up(version: str) -> tuple[str, str]:
    """Address and sha512 of the archive for this machine."""
    index = os.environ.get("ENVTEST_INDEX") or INDEX
    try:
        releases = yaml.safe_load(_within(INDEX_DEADLINE, lambda: _get(index)))["releases"]
        entry = releases[version][f"envtest-{version}-{'-'.join(system())}.tar.gz"]
        return str(entry["selfLink"]), str(entry["hash"])
    except (requests.RequestException, TimeoutError) as error:
        raise UnavailableError(f"envtest: {index} cannot be read: {_reason(error)}") from None
    except (KeyError, TypeError, yaml.YAMLError):
        raise UnavailableError(f"envtest: {index} has no {version} for {'/'.join(system())}") from None


def _get(url: str) -> str:
    with requests.get(url, timeout=(CONNECT_TIMEOUT, INDEX_DEADLINE)) as answer:
        answer.raise_for_status()
        return answer.text


def _within(seconds: float, call: Callable[[], str]) -> str:
    """The result of `call`. A connection timeout alone bounds neither name resolution nor a host's many addresses."""
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(call())
        except requests.RequestException as error:
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(result, Exception):
        raise result
    return str(result)


def _download(url: str, target: Path, job: Job) -> None:
    """Append to what an earlier attempt has left in `target`."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch(url, target, job)
            return
        except requests.RequestException as error:
            refused = error.response is not None
            if refused or attempt == ATTEMPTS:
                raise UnavailableError(f"envtest: {url} cannot be downloaded: {_reason(error)}") from None


def _fetch(url: str, target: Path, job: Job) -> None:
    begun = target.stat().st_size if target.exists() else 0
    headers = {"Range": f"bytes={begun}-", "Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, STALL_TIMEOUT)) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # it was already complete: the checksum is verified later
        answer.raise_for_status()
        resumed = answer.status_code == requests.codes.partial_content
        done = begun if resumed else 0
        size = done + int(answer.headers.get("Content-Length", 0))
        with target.open("ab" if resumed else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                job.progress(f"{target.stem}: {done >> 20} of {size >> 20} MB")


def _unpack(archive: Path, folder: Path) -> None:
    """Write the binaries and nothing else, regardless of other names and links in the archive."""
    try:
        with tarfile.open(archive) as tar:
            members = {each.name: each for each in tar if each.isfile()}
            for name in BINARIES:
                content = tar.extractfile(members[f"{FOLDER}/{name}"])
                assert content is not None  # a regular file has content
                with content, (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
                (folder / name).chmod(0o755)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UnavailableError(f"envtest: {archive.name} cannot be unpacked: {error}") from None
    except KeyError as error:
        raise UnavailableError(f"envtest: {archive.name} has no {error}") from None


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def _reason(error: Exception) -> str:
    """The reason without the library's repetitions, such as 404 Not Found or Connection refused."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", None) or inner).rpartition(": ")[2]
