"""Fixtures for all tests: one real API server per worker, and a clean cluster per test."""

import logging
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tests.harness import assets
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.gateway import Gateway

pytest_plugins = ["tests.harness.selection"]


def pytest_configure() -> None:
    """Restore SIGINT, which a shell ignores in its background jobs, and set up hypothesis."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile("tests", deadline=None)  # how long an example takes depends on the machine
    hypothesis.settings.load_profile("tests")


def pytest_report_header() -> str:
    return str(assets.in_use() or "Kubernetes: none in the cache yet (make apiserver)")


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Restore the log level, which a program that runs in pytest's process sets."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture(scope="session")
def api() -> Iterator[ApiServer]:
    """A real kube-apiserver with etcd, RBAC on."""
    with ApiServer() as server:
        yield server


@pytest.fixture(scope="session")
def _cluster(api: ApiServer) -> Cluster:
    return Cluster(api)


@pytest.fixture
def cluster(_cluster: Cluster) -> Cluster:
    """Our namespace with the RBAC of install.yaml and nothing else: no Node, Pod or Service."""
    _cluster.wipe()
    return _cluster


@pytest.fixture
def gateway(api: ApiServer) -> Iterator[Gateway]:
    """A proxy in front of the API server that makes faults by rule. At the end each rule must have fired."""
    with Gateway(api) as proxy:
        yield proxy
        assert not proxy.unfired()
