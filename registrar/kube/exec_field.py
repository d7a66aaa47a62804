"""What the field `exec` of a kubeconfig's user means: which credentials plugin to run, and how."""

import base64
import json

from registrar.kube import unsupported
from registrar.kube.access import Plugin
from registrar.kube.entry import Entry

_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")


def plugin(user: Entry, cluster: Entry) -> Plugin | None:
    """The credentials plugin of `user`, if it has one. Raises SettingsError for one that kubectl refuses."""
    section = user.inner("exec")
    if not section:
        return None
    section.only("command", "args", "env", "apiVersion", "installHint", "provideClusterInfo", "interactiveMode")
    version, mode = section.text("apiVersion"), section.text("interactiveMode")
    if version and version not in _VERSIONS:
        raise unsupported.EXEC_VERSION.error(user.where)
    mode = mode or ("IfAvailable" if version == _VERSIONS[1] else "")
    for field, value in (("command", section.text("command")), ("apiVersion", version), ("interactiveMode", mode)):
        if not value:
            raise section.error(f"{field} is not set")
    if mode not in ("Never", "IfAvailable", "Always"):
        raise section.error("interactiveMode is not Never, IfAvailable or Always")
    command = section.text("command")
    return Plugin(
        command=section.path("command") if "/" in command else command,
        args=section.texts("args"),
        env=tuple(_variable(each) for each in section.entries("env")),
        api_version=version,
        interactive=mode,
        install_hint=section.text("installHint"),
        cluster=_cluster_info(cluster) if section.flag("provideClusterInfo") else None,
    )


def _variable(entry: Entry) -> tuple[str, str]:
    name, value = entry.text("name"), entry.text("value")
    if not name or "=" in name or "\0" in name + value:
        raise entry.error("a variable has no name, or one that cannot be set")
    return name, value


def _cluster_info(cluster: Entry) -> str:
    """`spec.cluster` of the ExecCredential that a plugin gets if it asks for it."""
    ca = cluster.pem("certificate-authority")
    extensions = {each.text("name"): each.value.get("extension") for each in cluster.entries("extensions")}
    given = {
        "server": cluster.text("server"),
        "tls-server-name": cluster.text("tls-server-name"),
        "insecure-skip-tls-verify": cluster.flag("insecure-skip-tls-verify"),
        "certificate-authority-data": base64.b64encode(ca).decode() if ca else "",
        "proxy-url": cluster.text("proxy-url"),
        "disable-compression": cluster.flag("disable-compression"),
        "config": extensions.get(f"{_GROUP}/exec"),
    }
    return json.dumps({key: value for key, value in given.items() if value or key == "config"})
