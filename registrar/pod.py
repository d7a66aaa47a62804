"""Gives the own pod its node label, or checks that an admission policy has given it.

A Service leads to the pod only if the pod has this label and those of the Service's selector.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from registrar import contract, service
from registrar.claims import Identity
from registrar.cli.failures import Failure, SettingsError
from registrar.cli.parsing import label_selector
from registrar.kube.answers import ApiError, Transient
from registrar.kube.objects import Fields
from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH, Kube, path
from registrar.service import Object
from registrar.settings import Settings

# Of a 500: before Kubernetes 1.29, no apply succeeds on a pod with, say, an environment variable that is listed twice
# (kubernetes/kubernetes#118261). A merge patch does.
_LISTED_TWICE = "duplicate entries for key"
# Of a 409: the API server refuses to create a pod by an apply that has a uid. Any other 409 is a concurrent update.
_ABSENT = "uid mismatch: the provided object specified uid"
_LABEL = re.compile(r'^(.+?)="(.*)"$', re.MULTILINE)


class OwnPodGone(Failure):
    """The own pod is gone or was replaced: there is nothing left to register."""


class Unlabelled(Failure):
    """The pod was bound to its node without the node label. Restarting its containers does not change that."""

    exit_code = 4


def ensure_labels(kube: Kube, settings: Settings, names: contract.NodeNames, own: Identity) -> Object | None:
    """Make sure that the own pod has its node label and the labels of the Service's selector.

    Returns the Pod as the API server answered, or None if the labels are in a file, which takes no request.
    """
    if settings.pod_labels is None:
        return _label_pod(kube, settings, names, own)
    action = f"register Pod {own.namespace}/{own.pod}"
    try:
        labels = parse_labels(Path(settings.pod_labels).read_text(errors="replace"))
    except OSError as error:
        name = "--pod-labels (REGISTRAR_POD_LABELS)"
        raise SettingsError(name, f"cannot read {settings.pod_labels}: {error.strerror}") from error
    if labels.get(settings.node_label) != names.label:
        raise Unlabelled(
            action,
            f"it does not have the label {settings.node_label}={names.label}, "
            "which an admission policy gives to a pod when it is bound to its node",
            "delete the pod: its DaemonSet creates a new one; "
            "if that has no label either, set admission.labelPods=false in the chart",
        )
    _require_selector(action, settings, labels)
    return None


def parse_labels(text: str) -> Mapping[str, str]:
    """Labels as kubelet writes `metadata.labels` into a file: `key="value"`, one per line."""
    return dict(_LABEL.findall(text))


def _label_pod(kube: Kube, settings: Settings, names: contract.NodeNames, own: Identity) -> Object:
    asked = {settings.node_label: names.label, **_copied(kube, settings, own.node)}
    pod = _patch(kube, settings, own, asked)
    action = f"patch Pod {own.namespace}/{own.pod}"
    meta = Fields(action, pod).inner("metadata")
    found = meta.texts("labels")
    if meta.text("uid") != own.uid or not _set(asked).items() <= found.items():
        raise Failure(action, "the API server's answer lacks the label", "look for an admission webhook that drops it")
    _require_selector(action, settings, found)
    return pod


def _copied(kube: Kube, settings: Settings, node: str) -> Mapping[str, str | None]:
    """The labels of the Node that the pod gets too. None is a label that the Node does not have."""
    if not settings.copy_node_label:
        return {}
    action = f"get Node {node}"
    answer = kube.request(action, "GET", path("nodes", node))
    labels = Fields(action, answer).inner("metadata").texts("labels")
    return {key: labels.get(key) for key in settings.copy_node_label}


def _patch(kube: Kube, settings: Settings, own: Identity, labels: Mapping[str, str | None]) -> Object:
    """The Pod with these labels, as the API server answered. None removes one that a registrar has set."""
    action = f"patch Pod {own.namespace}/{own.pod}"
    where = path("namespaces", own.namespace, "pods", own.pod)
    query = {"fieldManager": contract.REGISTRAR_MANAGER, **settings.dry_run_query()}

    def patch() -> Object:
        try:
            apply = {**query, "force": "true"}
            body = service.pod_patch(own, _set(labels))
            return kube.send(action, "PATCH", where, body=body, content_type=APPLY_PATCH, query=apply)
        except ApiError as error:
            raise _pod_failure(error, own.uid) from error
        except Transient as error:
            if _LISTED_TWICE not in error.reason:
                raise
        try:
            body = service.pod_patch(own, labels)
            return kube.send(action, "PATCH", where, body=body, content_type=MERGE_PATCH, query=query)
        except ApiError as error:
            raise _pod_failure(error, own.uid) from error

    return kube.retry(action, patch)


def _set(labels: Mapping[str, str | None]) -> Mapping[str, str]:
    return {key: value for key, value in labels.items() if value is not None}


def _require_selector(action: str, settings: Settings, labels: Mapping[str, str]) -> None:
    if missing := settings.selector.items() - labels.items():
        reason = (
            f"the pod does not have the label {label_selector(dict(sorted(missing)))}, so no Service can lead to it"
        )
        raise Failure(action, reason, "add it to the DaemonSet's pod template, or set --selector to labels of its pods")


def _pod_failure(error: ApiError, uid: str) -> Failure:
    """What a refused patch means. An absent pod is a 409 for an apply, a 404 for a merge patch."""
    if error.status == 409 and _ABSENT not in error.message:
        return Transient(error.action, error.reason)
    if error.status in (404, 409) and error.kube_reason:
        return OwnPodGone(
            error.action, f"there is no pod of this name and uid {uid}", "its DaemonSet creates a new one"
        )
    if error.is_uid_mismatch:
        return OwnPodGone(
            error.action,
            f"the pod of this name has another uid than {uid}",
            "it was replaced, the new one registers itself",
        )
    return error
