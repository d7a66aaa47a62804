"""Reads what exists: Services, then Nodes, then agent pods. A list is read completely, or the run ends."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from janitor.settings import Settings
from janitor.verdict import Cluster, Service
from registrar import contract
from registrar.cli.failures import Failure
from registrar.cli.parsing import label_selector
from registrar.kube.answers import JSON, ApiError, TooLarge, Transient, Unfinished
from registrar.kube.exchange import MAX_SIZE
from registrar.kube.objects import CHECK_PROXY, Fields
from registrar.kube.transport import Kube, path

PAGE = 500
MAX_PAGES = 1000  # half a million objects; Kubernetes supports 5,000 nodes
MAX_PAGE_SIZE = 4 * 1024 * 1024  # bytes; Python needs up to 25 times as many for the objects in them
_MAX_TEXT = 300  # characters; a node's name has 253 at most
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

log = logging.getLogger(__name__)
T = TypeVar("T")


def read(kube: Kube, settings: Settings, namespace: str) -> tuple[list[Service], Cluster]:
    """All Services that match the selector, and the cluster as it was after they were read.

    The order matters: a node that joins meanwhile has no Service in the list yet. Raises Failure if any page of any
    list cannot be read.
    """
    label, there = settings.node_label, path("namespaces", namespace)
    selector = label_selector(settings.selector)
    services = _list(kube, f"{there}/services", "ServiceList", lambda item: _service(item, label), selector)
    nodes = dict(_list(kube, path("nodes"), "NodeList", _node))
    agents = _list(
        kube, f"{there}/pods", "PodList", lambda item: item.inner("metadata").inner("labels").text(label), label
    )
    log.info("read %d Services, %d Nodes, %d agent Pods", len(services), len(nodes), len(agents))
    if not services:
        log.warning("no Service has %s in namespace %s; name another namespace with --namespace", selector, namespace)
    return services, Cluster.of(nodes, agents, nodes)


def _list(kube: Kube, where: str, kind: str, take: Callable[[Fields], T], selector: str = "") -> list[T]:
    """What `take` makes of each item. If the continue token expires, the whole list is read again."""
    action = f"list {kind.removesuffix('List')}s"

    def whole() -> list[T]:
        try:
            return [take(item) for item in _pages(kube, action, where, kind, selector)]
        except ApiError as error:
            if error.status == 410:
                raise Transient(action, "its continue token expired between two pages") from error
            raise

    return kube.retry(action, whole)


def _pages(kube: Kube, action: str, where: str, kind: str, selector: str) -> Iterator[Fields]:
    query = {"labelSelector": selector} if selector else {}
    limit = PAGE
    for _ in range(MAX_PAGES):
        page, limit = _page(kube, action, where, kind, query, limit)
        yield from page.objects("items")
        following = page.inner("metadata").text_or_none("continue")
        if not following:
            return
        if following == query.get("continue"):
            raise Failure(action, "a page continues with itself", CHECK_PROXY)
        query["continue"] = following
        limit = min(2 * limit, PAGE)
        del page  # the next one may need as much memory
    raise Failure(action, f"the list does not end after {MAX_PAGES} pages", CHECK_PROXY)


def _page(kube: Kube, action: str, where: str, kind: str, query: Mapping[str, str], limit: int) -> tuple[Fields, int]:
    """One page, and the number of objects that were asked for: fewer than `limit` if these are too large."""

    def attempt() -> tuple[Fields, int]:
        nonlocal limit
        while True:
            try:
                return _send(kube, action, where, kind, {**query, "limit": limit}), limit
            except TooLarge:
                if limit == 1:
                    raise
                limit //= 2
            except Unfinished:
                limit = max(limit // 2, 1)
                raise

    return kube.retry(action, attempt)


def _send(kube: Kube, action: str, where: str, kind: str, query: Mapping[str, str | int]) -> Fields:
    """One page, of metadata only where nothing else is used. Some proxies answer with whole objects, or with 406."""
    accept = JSON if kind == "ServiceList" else METADATA_ONLY
    max_size = MAX_SIZE if query["limit"] == 1 else MAX_PAGE_SIZE
    send = partial(kube.send, action, "GET", where, query=query, max_size=max_size)
    try:
        page = Fields(action, send(accept=accept))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_ACCEPTABLE or accept == JSON:
            raise
        page = Fields(action, send(accept=JSON))
    if page.value.get("kind") != kind:
        page.require_kind(kind if accept == JSON else "PartialObjectMetadataList")
    return page


def _node(item: Fields) -> tuple[str, datetime | None]:
    """Name, and when the deletion began that a finalizer holds up."""
    meta = item.inner("metadata")
    return sys.intern(meta.text("name")), meta.time_or_none("deletionTimestamp")


def _service(item: Fields, node_label: str) -> Service:
    meta, spec = item.inner("metadata"), item.inner("spec")
    # An annotation may have 256 kB, and all Services are held in memory.
    annotations = {key: text[:_MAX_TEXT] for key, text in meta.texts("annotations").items()}
    return Service(
        name=meta.text("name"),
        namespace=sys.intern(meta.text("namespace")),
        uid=meta.text("uid"),
        resource_version=meta.text("resourceVersion"),
        node_in_annotation=_shared(annotations.get(contract.NODE_NAME_ANNOTATION)),
        node_in_label=_shared(meta.texts("labels").get(node_label)),
        node_in_selector=_shared(spec.texts("selector").get(node_label)),
        registered_by=annotations.get(contract.REGISTERED_BY_ANNOTATION, ""),
        missing_since=annotations.get(contract.NODE_MISSING_SINCE_ANNOTATION),
        deleting=meta.text_or_none("deletionTimestamp") is not None,
    )


def _shared(text: str | None) -> str | None:
    """The same text, once in memory: a node's name is in its Node, and three times in its Service."""
    return text and sys.intern(text)
