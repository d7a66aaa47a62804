"""Which credentials are used, in a fixed order, and the namespace that they name."""

from pathlib import Path

import pytest
import yaml

from registrar.cli.failures import SettingsError
from registrar.kube import credentials
from registrar.kube.credentials import Source


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """A kubeconfig with two contexts: the current one, `one`, has no namespace, `two` has the namespace `there`."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"}} for name in ("one", "two")],
        "users": [{"name": "me", "user": {"token": "secret"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "one", "user": "me"}},
            {"name": "two", "context": {"cluster": "two", "user": "me", "namespace": "there"}},
        ],
        "current-context": "one",
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_sources_are_tried_in_order_flag_environment_in_cluster_home(tmp_path: Path) -> None:
    home = tmp_path / ".kube" / "config"
    home.parent.mkdir()
    home.touch()
    environ = {"KUBECONFIG": "/env", "KUBERNETES_SERVICE_HOST": "198.19.0.1", "HOME": str(tmp_path)}

    assert credentials.find("/flag", None, environ) == Source("/flag")
    assert credentials.find(None, None, environ) == Source("/env")
    del environ["KUBECONFIG"]
    assert credentials.find(None, None, environ) == Source(None)
    del environ["KUBERNETES_SERVICE_HOST"]
    assert credentials.find(None, None, environ) == Source(str(home))
    home.unlink()
    with pytest.raises(SettingsError, match="--kubeconfig"):
        credentials.find(None, None, environ)


def test_a_context_needs_a_kubeconfig() -> None:
    with pytest.raises(SettingsError, match="--context"):
        credentials.find(None, "one", {"KUBERNETES_SERVICE_HOST": "198.19.0.1"})


@pytest.mark.parametrize(
    ("context", "host", "namespace"),
    [(None, "https://one:6443", None), ("one", "https://one:6443", None), ("two", "https://two:6443", "there")],
)
def test_a_context_gives_server_and_namespace(
    kubeconfig: str, context: str | None, host: str, namespace: str | None
) -> None:
    configuration, found = credentials.load(Source(kubeconfig, context))

    assert (configuration.host, found) == (host, namespace)


def test_a_missing_context_is_a_bad_setting(kubeconfig: str) -> None:
    with pytest.raises(SettingsError, match="three"):
        credentials.load(Source(kubeconfig, "three"))


@pytest.mark.parametrize("server", ["not a url", "ftp://one", "https://one:99999", "https://"])
def test_a_server_that_is_not_a_url_is_a_bad_setting(kubeconfig: str, server: str) -> None:
    """No request can ever be sent, so there are no retries until the timeout."""
    file = Path(kubeconfig)
    file.write_text(file.read_text().replace("https://one:6443", server))
    with pytest.raises(SettingsError, match=r"--kubeconfig: cannot use .*its server .* is not a URL"):
        credentials.load(Source(kubeconfig))


@pytest.mark.parametrize("text", ["", "[]", "clusters: [1]", "no: kubeconfig", "{"])
def test_a_malformed_kubeconfig_is_a_bad_setting_with_a_next_step(kubeconfig: str, text: str) -> None:
    Path(kubeconfig).write_text(text)
    with pytest.raises(SettingsError, match=r"cannot use .*; try `kubectl config view`$"):
        credentials.load(Source(kubeconfig))
