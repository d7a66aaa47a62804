"""Reads what there is: Services, then nodes, then agent pods. A list is read whole or the run ends."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from janitor.settings import Settings
from janitor.verdict import Cluster, Service
from registrar import contract
from registrar.cli import parsing
from registrar.cli.failures import Failure
from registrar.kube.answers import JSON, ApiError, Transient
from registrar.kube.transport import Kube, path

PAGE = 500
MAX_PAGES = 1000  # half a million objects; Kubernetes' own limit is 5,000 nodes
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

log = logging.getLogger(__name__)
T = TypeVar("T")


def read(kube: Kube, settings: Settings, namespace: str) -> tuple[list[Service], Cluster]:
    """All Services that the selector finds, and the cluster as it was after they were read.

    The order matters: a node that joins while this runs has no Service in the list yet. Raises Failure where any page
    of any list cannot be had.
    """
    services = _list(
        kube,
        "list Services",
        path("namespaces", namespace, "services"),
        "ServiceList",
        lambda item: _service(item, settings.node_label),
        labelSelector=parsing.label_selector(settings.selector),
    )
    nodes = _list(
        kube, "list Nodes", path("nodes"), "PartialObjectMetadataList", lambda item: _text(item["metadata"]["name"])
    )
    agents = _list(
        kube,
        "list Pods",
        path("namespaces", namespace, "pods"),
        "PartialObjectMetadataList",
        lambda item: _text(item["metadata"]["labels"][settings.node_label]),
        labelSelector=settings.node_label,
    )
    log.info("read %d Services, %d Nodes, %d agent Pods", len(services), len(nodes), len(agents))
    return services, Cluster.of(nodes, agents)


def _list(kube: Kube, action: str, where: str, kind: str, take: Callable[[dict[str, Any]], T], **query: str) -> list[T]:
    """What `take` makes of each item; the whole list again where its continue token expires."""

    def whole() -> list[T]:
        try:
            return [take(item) for item in _pages(kube, action, where, kind, query)]
        except ApiError as error:
            if error.status == 410:
                raise Transient(action, "its continue token expired between two pages") from error
            raise
        except (KeyError, TypeError, AttributeError) as error:
            raise Failure(action, f"an item is not as Kubernetes has it ({error!r})", "nothing was deleted") from error

    return kube.retry(action, whole)


def _pages(kube: Kube, action: str, where: str, kind: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    token = ""
    for _ in range(MAX_PAGES):
        asked = {**query, "limit": PAGE} | ({"continue": token} if token else {})
        accept = JSON if kind == "ServiceList" else METADATA_ONLY
        page = kube.request(action, "GET", where, query=asked, accept=accept)
        if page.get("kind") != kind:
            raise Failure(
                action, f"the answer is a {page.get('kind')}, not a {kind}", "check what stands before the server"
            )
        yield from page["items"] or ()  # null where a metadata-only list is empty (seen on 1.36)
        following = page["metadata"].get("continue")
        if not following:
            return
        if following == token:
            raise Failure(action, "a page leads to itself", "check what stands before the server")
        token = following
    raise Failure(action, f"it does not end after {MAX_PAGES} pages", "check what stands before the server")


def _service(item: dict[str, Any], node_label: str) -> Service:
    meta, selector = item["metadata"], item["spec"].get("selector") or {}
    annotations = meta.get("annotations") or {}
    return Service(
        name=_text(meta["name"]),
        namespace=_text(meta["namespace"]),
        uid=_text(meta["uid"]),
        resource_version=_text(meta["resourceVersion"]),
        annotation=_text_or_none(annotations.get(contract.NODE_NAME_ANNOTATION)),
        label=_text_or_none((meta.get("labels") or {}).get(node_label)),
        selector=_text_or_none(selector.get(node_label)),
        registered_by=_text(annotations.get(contract.REGISTERED_BY_ANNOTATION, "")),
        missing_since=_text_or_none(annotations.get(contract.NODE_MISSING_SINCE_ANNOTATION)),
        deleting="deletionTimestamp" in meta,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
