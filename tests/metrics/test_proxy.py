"""metrics.proxy: a real tinyproxy serves its numbers, and a real Prometheus scrapes them as the PodMonitor does."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import chart
from tests.harness.client import Object
from tests.harness.processes import free_ports, wait_until
from tests.harness.prometheus import Prometheus
from tests.harness.tinyproxy import serve
from tests.manifests.components import merge
from tests.manifests.test_schemas import all_faults
from tests.manifests.test_tinyproxy import own_address, status

ON: dict[str, Any] = {"metrics": {"proxy": {"enabled": True}}}
POD_IP = own_address()  # the filter refuses loopback


def container(objects: list[Object]) -> Any:
    [proxy] = chart.template(objects, "DaemonSet")["spec"]["containers"]
    return proxy


@pytest.fixture
def proxy() -> Iterator[int]:
    """The port of a tinyproxy that serves metrics, run as in a pod with this address."""
    [port] = free_ports(1)
    values: dict[str, Any] = {"proxy": {"port": port}}
    merge(values, ON)
    objects = chart.render(values)
    found = container(objects)
    assert found["env"] == [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    found["command"] = ["/usr/bin/env", f"POD_IP={POD_IP}", *found["command"]]
    with serve(objects, port, {}) as running:
        yield running.port


def test_prometheus_scrapes_the_proxys_numbers(proxy: int) -> None:
    assert status(proxy, "GET http://169.254.169.254/") == 403
    assert status(proxy, "CONNECT localhost:1") == 403
    target = {"job_name": "agents", "static_configs": [{"targets": [f"{POD_IP}:{proxy}"]}]}
    with Prometheus([target]) as prometheus:
        wait_until(lambda: (prometheus.value("nodeproxy_proxy_connections") or 0) > 0, 30, "a scrape")
        assert prometheus.value("nodeproxy_proxy_filtered_requests_total") == 2
        # both, and the connection without a request by which `serve` saw that it listens
        assert prometheus.value("nodeproxy_proxy_bad_requests_total") == 3
        before = prometheus.value("nodeproxy_proxy_requests_total")
        wait_until(lambda: prometheus.value("nodeproxy_proxy_requests_total") != before, 30, "the scrape's own request")


def test_the_probes_ask_for_the_page_by_the_pods_address(proxy: int) -> None:
    """kubelet sends that address as the host unless the probe says otherwise."""
    for name in ("readinessProbe", "livenessProbe"):
        assert "httpHeaders" not in container(chart.render(ON))[name]["httpGet"]
    assert status(proxy, "GET /", f"{POD_IP}:{proxy}") == 200


def test_the_monitor_scrapes_the_proxys_port() -> None:
    objects = chart.render({"metrics": {"podMonitor": {"enabled": True}, "proxy": {"enabled": True}}})
    assert all_faults(objects) == []
    spec = chart.the(objects, "PodMonitor", "nodeproxy-agent")["spec"]
    pod = chart.template(objects, "DaemonSet")
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert [each["port"] for each in spec["podMetricsEndpoints"]] == [
        each["name"] for each in container(objects)["ports"]
    ]
    without = chart.render({"metrics": {"podMonitor": {"enabled": True}}})
    assert "nodeproxy-agent" not in {each["metadata"]["name"] for each in without if each["kind"] == "PodMonitor"}


@pytest.mark.parametrize("tinyproxy", [{"enabled": False}, {"basicAuth": {"existingSecret": "x"}}], ids=str)
def test_metrics_that_nobody_could_scrape_are_refused(tinyproxy: dict[str, Any]) -> None:
    with pytest.raises(chart.RefusedError, match=r"metrics\.proxy\.enabled needs tinyproxy"):
        chart.render({**ON, "tinyproxy": tinyproxy})
