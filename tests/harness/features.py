"""What each minor release of Kubernetes has. No other module of the tests compares versions."""

from enum import Enum

from tests.harness.versions import minor_of


class Feature(Enum):
    """A feature and the first minor release of Kubernetes 1.x that enables it by default."""

    BATCH_V1_CRONJOB = ("CronJob in batch/v1", 21)
    PROJECTED_TOKEN = ("projected ServiceAccount tokens", 21)
    MAX_SURGE = ("maxSurge of a DaemonSet", 22)
    INTERNAL_TRAFFIC_POLICY = ("internalTrafficPolicy of a Service", 22)
    NO_INSECURE_PORT = ("controllers without the flag --port", 23)
    CRONJOB_TIME_ZONE = ("timeZone of a CronJob", 25)
    POD_SECURITY = ("Pod Security", 25)
    FLOW_CONTROL = ("priority and fairness in v1", 29)
    SIDECAR = ("restartPolicy of an init container", 29)
    ADMISSION_POLICY = ("ValidatingAdmissionPolicy in v1", 30)
    NODE_IN_TOKEN = ("the node's name in a pod's token", 30)
    PRE_STOP_SLEEP = ("preStop sleep", 30)
    TRAFFIC_DISTRIBUTION = ("trafficDistribution of a Service", 31)
    USER_NAMESPACE = ("pods in a user namespace of their own", 33)
    LIST_FROM_SNAPSHOT = ("lists from snapshots of the watch cache", 34)
    BINDING_LABELS = ("labels that a Binding gives to its pod", 35)
    TOPOLOGY_LABELS = ("zone and region of a node on its pods", 35)
    MUTATING_POLICY = ("MutatingAdmissionPolicy in v1", 36)

    def __init__(self, title: str, since: int) -> None:
        self.title = title
        self.since = since

    def __str__(self) -> str:
        return f"{self.title} (Kubernetes 1.{self.since})"

    def is_in(self, version: str) -> bool:
        """Does the release, such as `v1.20.2`, have it?"""
        return minor(version) >= self.since


def minor(version: str) -> int:
    """20 for `v1.20.2`."""
    return int(minor_of(version).partition(".")[2])


def adapted(manifests: str, version: str) -> str:
    """The YAML with CronJobs in the API version that the release has: our manifests need no other change."""
    if Feature.BATCH_V1_CRONJOB.is_in(version):
        return manifests
    return manifests.replace("apiVersion: batch/v1\nkind: CronJob", "apiVersion: batch/v1beta1\nkind: CronJob")
