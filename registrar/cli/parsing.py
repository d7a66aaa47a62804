"""Parsers of option values. Each raises ValueError with the reason. Pure."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from registrar.contract import (
    MAX_LABEL,
    MAX_PREFIX,
    is_label_key,
    is_label_value,
    is_node_name,
    is_service_prefix,
)

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_LONGEST = 10 * 366 * 24 * 3600  # seconds; longer ones overflow Python's time arithmetic
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_DURATION = re.compile(f"({_PART.pattern})+")


def boolean(text: str) -> bool:
    """True or False from "true", "1", "false", "0"."""
    if text.lower() not in ("true", "1", "false", "0"):
        raise ValueError("neither true nor false")
    return text.lower() in ("true", "1")


def duration(text: str) -> float:
    """Seconds from `90s`, `10m`, `24h`, `1h30m`, `500ms` or `0`."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise ValueError("not a duration such as 90s, 10m or 24h")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds > _LONGEST:
        raise ValueError("more than ten years")
    return seconds


def positive_duration(text: str) -> float:
    """Like `duration`, but more than zero."""
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError("must be more than zero")
    return seconds


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser that accepts only `choices`."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"not one of {', '.join(choices)}")
        return text

    return parse


def tcp_port(text: str) -> int:
    """A port number."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text} is not a port from 1 to 65535")
    return int(text)


def is_base_url(text: str) -> bool:
    """Whether `text` is an http or https URL to which a path can be appended.

    An @ in the path is the end of a password with a slash in it, of which `urlsplit` takes the beginning for a host.
    """
    try:
        text.encode()  # not possible with bytes of the environment that are not UTF-8
        url = urlsplit(text)
        return bool(url.scheme in ("http", "https") and url.hostname and url.port != 0) and not (
            url.query or url.fragment or "@" in url.path
        )
    except ValueError:  # its message may quote a password
        return False


def base_url(text: str) -> str:
    """A URL (see `is_base_url`). It may contain a password, so no error quotes it."""
    if not is_base_url(text):
        raise ValueError("not a URL such as http://pushgateway:9091 (percent-encode its user and password)")
    return text.rstrip("/")


def namespace(text: str) -> str:
    """Name of a Namespace (RFC 1123 label)."""
    if "." in text or len(text) > MAX_LABEL or not is_node_name(text):
        raise ValueError("not a namespace name (RFC 1123 label of at most 63 characters)")
    return text


def label_key(text: str) -> str:
    """A label key."""
    if not is_label_key(text):
        raise ValueError("not a label key")
    return text


def label_keys(text: str) -> tuple[str, ...]:
    """Label keys, separated by commas."""
    return tuple(label_key(key.strip()) for key in text.split(","))


def label_pair(text: str) -> tuple[str, str]:
    """Key and value from `key=value`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError("not of the form key=value")
    if not is_label_value(value):
        raise ValueError(f"{value!r} is not a label value")
    return label_key(key), value


def labels(text: str) -> Mapping[str, str]:
    """Labels from `key=value,key=value`."""
    pairs = [label_pair(pair.strip()) for pair in text.split(",")]
    if len(dict(pairs)) < len(pairs):
        raise ValueError("the same key twice")
    return dict(pairs)


def label_selector(labels: Mapping[str, str]) -> str:
    """The opposite of `labels`: an equality-based label selector, as the API server takes it."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def node_name(text: str) -> str:
    """Name of a Node, in lower case: Kubernetes accepts no other, and the hand-rolled stack converted it too."""
    name = text.lower()
    if not is_node_name(name):
        raise ValueError("not a node name (RFC 1123 subdomain of at most 253 characters)")
    return name


def pod_name(text: str) -> str:
    """Name of a Pod (RFC 1123 subdomain)."""
    if not is_node_name(text):
        raise ValueError("not a pod name (RFC 1123 subdomain of at most 253 characters)")
    return text


def pod_uid(text: str) -> str:
    """Uid of a Pod, as the downward API provides it."""
    if not re.fullmatch(r"[-A-Za-z0-9]{1,128}", text):
        raise ValueError("not a pod's uid")
    return text


def service_prefix(text: str) -> str:
    """A prefix of Service names that leaves room for the node."""
    if not is_service_prefix(text):
        raise ValueError(
            f"not a prefix of Service names: a lower-case letter, then letters, digits and dashes, at most {MAX_PREFIX}"
        )
    return text
