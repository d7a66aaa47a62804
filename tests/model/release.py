"""What a release of Kubernetes fills into objects, and what it refuses. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.cluster import NAMESPACE
from tests.model.calls import KINDS, Call, Refusal
from tests.model.fields import Schema
from tests.model.ownership import Object

_EMPTY: tuple[object, ...] = ({}, [], None)


@dataclass(frozen=True)
class Release:
    """The newest release, or the oldest: 1.20."""

    old: bool = False

    @property
    def schema(self) -> Schema:
        return Schema(old=self.old)

    @property
    def _defaults(self) -> Object:
        policy = {} if self.old else {"internalTrafficPolicy": "Cluster"}
        return {"sessionAffinity": "None", "type": "ClusterIP", **policy}

    @property
    def _allocated(self) -> Object:
        """What is filled in when a Service is stored, so that nobody owns it."""
        families = {} if self.old else {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
        return {"clusterIP": "address", "clusterIPs": ["address"], **families}

    def whole(self, obj: Object, call: Call) -> Object:
        """The object with defaults, and without empty maps and lists."""
        meta = {key: value for key, value in obj["metadata"].items() if value not in _EMPTY}
        meta |= {"name": call.name} if call.resource == "nodes" else {"name": call.name, "namespace": NAMESPACE}
        found = {**obj, "apiVersion": "v1", "kind": KINDS[call.resource], "metadata": meta}
        if call.resource != "services":
            return found
        spec = {key: value for key, value in obj.get("spec", {}).items() if value not in _EMPTY}
        if "ports" in spec:
            spec["ports"] = [{"protocol": "TCP", "targetPort": each["port"], **each} for each in spec["ports"]]
        return {**found, "spec": {**self._defaults, **spec}, "status": {"loadBalancer": {}}}

    def stored(self, obj: Object) -> Object:
        """The object with what is filled in when it is stored."""
        return {**obj, "spec": {**self._allocated, **obj["spec"]}} if obj["kind"] == "Service" else obj

    def check_new(self, says: Mapping[str, Any], call: Call) -> None:
        """An apply that names a uid creates nothing; nor does one that names a version, before Kubernetes 1.21."""
        if says.get("uid"):
            message = f"uid mismatch: the provided object specified uid {says['uid']}"
            raise Refusal(409, "Conflict", message, call)
        if self.old and call.resource == "services" and says.get("resourceVersion"):
            raise Refusal(500, "", "resourceVersion should not be set on objects to be created", call, "")

    def check(self, live: Object, new: Object, says: Mapping[str, Any], call: Call) -> None:
        """Refuse an update that is about another object or version, or breaks a rule; `says` is the body's metadata."""

        def version() -> None:
            if says.get("resourceVersion") not in (None, live["metadata"]["resourceVersion"]):
                raise Refusal(409, "Conflict", "the object has been modified", call)

        def rules() -> None:
            if says.get("uid") not in (None, live["metadata"]["uid"]):
                message = "metadata.uid: field is immutable"
                raise Refusal(422, "Invalid", message, call, KINDS[call.resource], field="metadata.uid")
            self.check_rules(live, new, call)

        steps: tuple[Callable[[], None], ...] = (rules, version) if self.old else (version, rules)
        for step in steps:
            step()

    def check_rules(self, live: Object | None, new: Object, call: Call) -> None:
        """Refuse what breaks one of those rules that random sequences meet."""
        for message in _breaks(live, new):
            raise Refusal(422, "Invalid", message, call, KINDS[call.resource])


def _breaks(live: Object | None, new: Object) -> Iterator[str]:
    names = [port["name"] for port in new.get("spec", {}).get("ports", [])]
    if len({*names}) < len(names):
        yield "spec.ports: Duplicate value"
    if live and "deletionTimestamp" in live["metadata"]:
        before, after = (set(each["metadata"].get("finalizers", [])) for each in (live, new))
        if after - before:
            yield "metadata.finalizers: no new finalizers can be added if the object is being deleted"
