"""What `make e2e` checks before it starts a cluster, and the figures that it writes afterwards."""

import json
from pathlib import Path

import pytest

from tests.e2e import page, parts
from tests.harness import document


def test_an_old_kubernetes_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NODEPROXY_CACHE", str(tmp_path))
    monkeypatch.setenv("KUBERNETES", "1.20")
    for name in ("KUBEBUILDER_ASSETS", parts.PREPARED):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match=r"needs Kubernetes 1\.\d+ or newer, and 1\.20 was chosen"):
        parts.prepare()
    assert not [*tmp_path.iterdir()]


def test_figures_of_two_kubernetes_versions_are_not_mixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs = [("v1.36.3", 100.0), ("v1.37.2", 1.0), ("v1.36.3", 100.0), ("v1.37.2", 3.0)]
    monkeypatch.setattr(page, "RUNS", tmp_path / "runs.jsonl")
    page.RUNS.write_text("".join(_run(version, seconds) for version, seconds in runs))
    written: list[str] = []
    monkeypatch.setattr(document, "put", lambda _title, text: written.append(text))
    assert page.main() == 0
    (text,) = written
    assert "Kubernetes v1.37.2" in text
    assert "the last 2 complete" in text.replace("\n", " ")
    assert "| the cluster starts | 2.0 (1.0-3.0) |" in text


def _run(version: str, seconds: float) -> str:
    figures = {"the cluster starts": {"s": seconds}}
    run = {"kubernetes": version, "time": "2026-11-26 01:15", "machine": "2 cores", "load": 1.0, "figures": figures}
    return json.dumps(run) + "\n"
