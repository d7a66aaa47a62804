"""The contract: names, labels and annotations that the registrar, the janitor and users share. Pure.

Syntax rules are Kubernetes' own: object names and label values as in
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ (RFC 1035 label for a Service, RFC 1123
subdomain for a Node) and https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache

SERVICE_PREFIX = "nodeproxy-access-"
NODE_LABEL = "target-node"
MANAGED_BY = ("managed-by", "nodeproxy-daemonset")
SERVICE_LABELS = {"app": "nodeproxy-system", "type": "access-point", MANAGED_BY[0]: MANAGED_BY[1]}
AGENT_SELECTOR = {"app": "nodeproxy-agent"}

NODE_NAME_ANNOTATION = "nodeproxy/node-name"
REGISTERED_BY_ANNOTATION = "nodeproxy/registered-by"
NODE_MISSING_SINCE_ANNOTATION = "nodeproxy/node-missing-since"
LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"  # kubectl's, left by the hand-rolled stack

REGISTRAR_MANAGER = "nodeproxy-registrar"
JANITOR_MANAGER = "nodeproxy-janitor"
CLIENT_SIDE_APPLY_MANAGER = "kubectl-client-side-apply"

MAX_LABEL = 63  # characters of a DNS label (RFC 1035), and of a label value
MAX_SUBDOMAIN = 253  # characters of an RFC 1123 subdomain, such as a Node's name
MAX_PREFIX = 40  # characters; a hashed Service name then still has 12 readable characters of its node
_DIGITS = 10  # of a hashed name, in hex: 40 bits, so that even 10,000 hashed names collide with odds of 1 in 20,000
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-."  # of a Node's name
_PRIME = 2**40 - 87  # the largest below 2^40: no two names that differ in one character have the same digits

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_PREFIX = re.compile(r"[a-z][-a-z0-9]*")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_HASHED_LABEL = re.compile(r".{52}-[0-9a-f]{10}", re.DOTALL)


def is_service_name(text: str) -> bool:
    """Whether `text` is a valid name of a Service (RFC 1035 label of at most 63 characters)."""
    return len(text) <= MAX_LABEL and _DNS_LABEL.fullmatch(text) is not None


def is_service_prefix(text: str) -> bool:
    """Whether Service names can start with `text` and still tell nodes apart."""
    return len(text) <= MAX_PREFIX and _PREFIX.fullmatch(text) is not None


def is_node_name(text: str) -> bool:
    """Whether `text` is a valid name of a Node (RFC 1123 subdomain of at most 253 characters)."""
    return len(text) <= MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Whether `text` is a label value. Kubernetes allows an empty one, the contract does not."""
    return len(text) <= MAX_LABEL and _NAME.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Whether `text` is a label key: a name of at most 63 characters, after an optional DNS subdomain and a slash."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_node_name(prefix):  # the same rule: an RFC 1123 subdomain
        return False
    return is_label_value(name)


def service_name(node: str, prefix: str = SERVICE_PREFIX) -> str:
    """Name of the Service of the Node called `node`: at most 63 characters, the same on every call.

    It is prefix + node if that is a valid name; otherwise prefix + readable slug + the `digits` of the node's full
    name. So `a.b` and `a-b` differ. If a node is called like another's hashed form, the node name annotation tells them
    apart.
    """
    plain = prefix + node
    if is_service_name(plain):
        return plain
    slug = node.replace(".", "-")[: MAX_LABEL - len(prefix) - 1 - _DIGITS]
    return f"{prefix}{slug}-{digits(node)}"


def label_value(node: str) -> str:
    """Label value of the Node called `node`.

    It is the name itself. If that is longer than 63 characters, it is the first 52, a dash, and the name's `digits`: 63
    in all.
    """
    if is_label_value(node):
        return node
    return f"{node[: MAX_LABEL - 1 - _DIGITS]}-{digits(node)}"


@dataclass(frozen=True)
class NodeNames:
    """All names of one node: its own, and those of its label value and Service."""

    node: str
    label: str
    service: str

    @classmethod
    def of(cls, node: str, prefix: str = SERVICE_PREFIX) -> "NodeNames":
        """The names of the Node called `node`."""
        return cls(node, label_value(node), service_name(node, prefix))


def is_hashed_label(value: str) -> bool:
    """Whether `value` may stand for a longer node name (see `label_value`), so that the name is not known."""
    return len(value) == MAX_LABEL and _HASHED_LABEL.fullmatch(value) is not None


def digits(node: str) -> str:
    """Ten hex digits that depend on all of a node's name, for names that are too long or have dots.

    A cryptographic hash would be stronger, but the admission policies have to compute the same digits in CEL, which has
    none (manifests/chart/templates/_helpers.tpl). So it is a sum, modulo a prime, of each character's number times the
    weight of its place. The weight of a place is the first ten hex digits of the SHA-256 of its number in decimal.
    Whoever may choose node names can find two with the same digits (docs/security.md).
    """
    terms = ((_CHARACTERS.find(character) + 1) * _weight(place) for place, character in enumerate(node))
    return f"{sum(terms) % _PRIME:0{_DIGITS}x}"


@cache
def _weight(place: int) -> int:
    return int(hashlib.sha256(str(place).encode()).hexdigest()[:_DIGITS], 16)
