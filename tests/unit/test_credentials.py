"""Which kubeconfig is used, and what it names; tests/credentials compares the same with kubectl."""

from pathlib import Path

import pytest
import yaml

from registrar.cli.failures import Failure, SettingsError
from registrar.kube import source
from registrar.kube.source import Source
from registrar.kube.transport import Kube


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


def test_sources_are_tried_in_the_order_of_kubectl(tmp_path: Path) -> None:
    home = tmp_path / ".kube" / "config"
    home.parent.mkdir()
    home.touch()
    environ = {"KUBECONFIG": "/env", "KUBERNETES_SERVICE_HOST": "198.19.0.1", "HOME": str(tmp_path)}

    assert source.find("/flag", None, environ) == Source("/flag")
    assert source.find(None, None, environ) == Source("/env")
    del environ["KUBECONFIG"]
    assert source.find(None, None, environ) == Source(str(home))
    home.unlink()
    assert source.find(None, None, environ) == Source(None)
    del environ["KUBERNETES_SERVICE_HOST"]
    with pytest.raises(SettingsError, match="--kubeconfig"):
        source.find(None, None, environ)


@pytest.mark.parametrize("home", [None, "/nonexistent", "empty", "dangling"])
def test_a_pod_without_a_kubeconfig_at_home_is_in_cluster(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling" / ".kube").mkdir(parents=True)
    (tmp_path / "dangling" / ".kube" / "config").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    environ = {"KUBERNETES_SERVICE_HOST": "198.19.0.1"} | ({"HOME": home} if home else {})

    assert source.find(None, None, environ) == Source(None)


def test_a_kubeconfig_at_home_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A link to itself cannot be read by root either."""
    home = tmp_path / ".kube" / "config"
    home.parent.mkdir()
    home.symlink_to(home)
    found = source.find(None, None, {"KUBERNETES_SERVICE_HOST": "198.19.0.1", "HOME": str(tmp_path)})
    assert found == Source(str(home))
    with pytest.raises(SettingsError, match=r"cannot use kubeconfig .*/\.kube/config: Too many levels"):
        source.read(found)


def test_a_context_needs_a_kubeconfig() -> None:
    with pytest.raises(SettingsError, match="--context"):
        source.find(None, "one", {"KUBERNETES_SERVICE_HOST": "198.19.0.1"})


@pytest.mark.parametrize(
    ("context", "host", "namespace"),
    [(None, "https://one:6443", None), ("one", "https://one:6443", None), ("two", "https://two:6443", "there")],
)
def test_a_context_gives_server_and_namespace(
    kubeconfig: str, context: str | None, host: str, namespace: str | None
) -> None:
    access = source.read(Source(kubeconfig, context))

    assert (access.server, access.namespace) == (host, namespace)


def test_a_missing_context_is_a_bad_setting(kubeconfig: str) -> None:
    with pytest.raises(SettingsError, match="three"):
        source.read(Source(kubeconfig, "three"))


@pytest.mark.parametrize("server", ["not a url", "ftp://one", "https://one:99999", "https://", "https://a b"])
def test_a_server_that_is_not_a_url_is_a_bad_setting(kubeconfig: str, server: str) -> None:
    """No request can ever be sent, so there are no retries until the timeout."""
    file = Path(kubeconfig)
    file.write_text(file.read_text().replace("https://one:6443", server))
    with pytest.raises(SettingsError, match=r"--kubeconfig: cannot use .*server that is not an http or https URL"):
        source.read(Source(kubeconfig))


@pytest.mark.parametrize("text", ["[]", "clusters: [1]", "clusters: x", "{", "kind: Pod", "7", "\0", "{[a]: b}"])
def test_a_malformed_kubeconfig_is_a_bad_setting_with_a_next_step(kubeconfig: str, text: str) -> None:
    Path(kubeconfig).write_text(f"{text}\ncurrent-context: one" if text.startswith("c") else text)
    with pytest.raises(SettingsError, match=r"cannot use .*; try `kubectl config view`$"):
        source.read(Source(kubeconfig))


@pytest.mark.parametrize("text", ["", "no: kubeconfig", "null"])
def test_a_kubeconfig_without_a_context_is_a_bad_setting_with_a_next_step(kubeconfig: str, text: str) -> None:
    Path(kubeconfig).write_text(text)
    with pytest.raises(SettingsError, match=r"current-context that is not set .* name a context with --context"):
        source.read(Source(kubeconfig))


@pytest.mark.parametrize(
    "secret", ["canary: [", "a: &x {b: *canary-99}", "a: !canary-1234 x", '"canary\\q-1"', "@canary-1"]
)
def test_an_error_of_the_yaml_parser_quotes_nothing(kubeconfig: str, secret: str) -> None:
    Path(kubeconfig).write_text(f"users:\n- {secret}\n")
    with pytest.raises(SettingsError, match=r"it is not YAML \(line \d+\)") as told:
        source.read(Source(kubeconfig))
    assert "canary" not in str(told.value)


def test_secrets_are_not_in_the_representation(kubeconfig: str) -> None:
    assert "secret" not in repr(source.read(Source(kubeconfig)))


# ---- in a pod


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a pod's ServiceAccount."""
    for name, content in {"token": "tok\n", "ca.crt": "pem", "namespace": "of-the-file\n"}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(source, "_SERVICE_ACCOUNT", str(tmp_path))
    return tmp_path


def in_cluster(**environ: str) -> Source:
    return Source(None, None, {"KUBERNETES_SERVICE_HOST": "198.19.0.1", "KUBERNETES_SERVICE_PORT": "443", **environ})


def test_a_pod_gives_server_token_ca_and_namespace(mounted: Path) -> None:
    access = source.read(in_cluster())
    assert (access.server, access.token, access.ca) == ("https://198.19.0.1:443", "tok", b"pem")
    assert access.namespace == "of-the-file"
    assert source.read(in_cluster(POD_NAMESPACE="of-the-variable")).namespace == "of-the-variable"
    assert source.read(in_cluster(KUBERNETES_SERVICE_HOST="fd00::1")).server == "https://[fd00::1]:443"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_pod_without_its_token_or_ca_is_a_failure_that_names_the_file(mounted: Path, name: str) -> None:
    (mounted / name).unlink()
    with pytest.raises(Failure, match=rf"{name}: No such file .*; mount a projected token"):
        source.read(in_cluster())


def test_a_pod_whose_token_is_empty_is_a_failure(mounted: Path) -> None:
    (mounted / "token").write_text("\n")
    with pytest.raises(Failure, match="it is empty"):
        source.read(in_cluster())


def test_a_pod_does_not_need_the_file_of_its_namespace(mounted: Path) -> None:
    (mounted / "namespace").unlink()
    assert source.read(in_cluster()).namespace is None


# ---- what differs from kubectl


@pytest.mark.parametrize("token", ["tok\n", " tok\r\n", "tok"])
def test_a_token_may_have_blanks_around_it(kubeconfig: str, token: str) -> None:
    """Editors end files with a newline (kubernetes/kubernetes#52919)."""
    file = Path(kubeconfig)
    content = yaml.safe_load(file.read_text())
    content["users"][0]["user"]["token"] = token
    file.write_text(yaml.safe_dump(content))
    assert source.read(Source(kubeconfig)).token == "tok"


def test_no_credentials_are_read_for_an_http_server(kubeconfig: str) -> None:
    """As with kubectl: nobody sends a token in the clear."""
    file = Path(kubeconfig)
    file.write_text(file.read_text().replace("https://one", "http://one"))
    assert source.read(Source(kubeconfig)).token is None


HTTP = "requests to http://one:6443 are not encrypted, and carry no credentials; use an https:// server"
INSECURE = (
    "the certificate of https://one:6443 is not verified (insecure-skip-tls-verify), so whoever is on the way can read "
    "the credentials; use certificate-authority"
)


@pytest.mark.parametrize(
    ("cluster", "warnings", "token"),
    [
        ({"server": "https://one:6443"}, [], "secret"),
        ({"server": "http://one:6443"}, [HTTP], None),
        ({"server": "https://one:6443", "insecure-skip-tls-verify": True}, [INSECURE], "secret"),
    ],
    ids=["verified", "http", "insecure"],
)
def test_what_is_neither_encrypted_nor_verified_is_one_warning(
    kubeconfig: str,
    cluster: dict[str, object],
    warnings: list[str],
    token: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = yaml.safe_load(Path(kubeconfig).read_text())
    content["clusters"][0]["cluster"] = cluster
    Path(kubeconfig).write_text(yaml.safe_dump(content))
    access = Kube(Source(kubeconfig), agent="x", timeout=60).renewed()
    assert access.token == token
    assert caplog.messages == warnings


@pytest.mark.parametrize(("host", "port"), [("user:canary@evil", "443"), ("evil/x", "443"), ("", ""), ("h", "1@evil")])
def test_a_pods_server_is_a_host_and_a_port(host: str, port: str) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    with pytest.raises(SettingsError, match="KUBERNETES_SERVICE_PORT are not a host and a port") as caught:
        source.read(Source(None, None, environ))
    assert "canary" not in str(caught.value)
