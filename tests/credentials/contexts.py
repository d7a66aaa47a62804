"""Cases: which file, context, cluster and user of several, and paths relative to a file."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.credentials.world import NAMESPACE, Object, Setup, World, single


def named(world: World, server: str, user: str = "one", **top: str) -> Object:
    """A kubeconfig whose cluster, user and context are called like `server`; no current context unless given."""
    content = single(world.token(user, server), world.cluster(server), server)
    del content["current-context"]
    return content | {key.replace("_", "-"): value for key, value in top.items()}


def both(world: World, **top: str) -> str:
    """One file with a context for each server."""
    a, b = named(world, "a"), named(world, "b")
    merged = {key: a[key] + b[key] for key in ("clusters", "users", "contexts")}
    return world.config("both", merged | {key.replace("_", "-"): value for key, value in top.items()})


def files(*paths: str, **env: str) -> Setup:
    return Setup({"KUBECONFIG": ":".join(paths)} | env)


def two_files(world: World, **second: str) -> tuple[str, str]:
    first = world.config("first/config", named(world, "a", current_context="a"))
    return first, world.config("second/config", named(world, "b", **(second or {"current_context": "b"})))


def same_user_twice(world: World) -> Setup:
    first = world.config("1", named(world, "a", "one", current_context="a"))
    return files(first, world.config("2", named(world, "a", "two")))


def split(world: World) -> Setup:
    """Cluster, user and context are in three files."""
    whole = named(world, "b", current_context="b")
    parts = [world.config(key, {key: whole[key]}) for key in ("clusters", "users", "contexts")]
    return files(*parts, world.config("current", {"current-context": "b"}))


def a_part_wins(world: World) -> Setup:
    """The context of the first file names a cluster and a user that both files have."""
    first = named(world, "a", current_context="a")
    second = single(world.token("two", "b"), world.cluster("b"), "a")
    return files(world.config("1", {**first, "users": []}), world.config("2", second))


def relative(world: World) -> Setup:
    cert, key = world.certificate()
    world.file("there/pki/ca.crt", world.servers["a"].ca_file.read_bytes())
    world.file("there/pki/cert", cert)
    world.file("there/key", key)
    user = {"client-certificate": "pki/cert", "client-key": "./key"}
    cluster = {"server": f"https://127.0.0.1:{world.port()}", "certificate-authority": "pki/ca.crt"}
    return files(world.config("there/config", single(user, cluster)))


def relative_from_second_file(world: World) -> Setup:
    world.file("second/token", world.tokens["b", "two"])
    first, second = two_files(world)
    world.config("second/config", single({"tokenFile": "token"}, world.cluster("b"), "b"))
    return Setup({"KUBECONFIG": f"{first}:{second}"}, ("--context", "b"))


def named_relatively(world: World) -> Setup:
    os.makedirs(world.folder / "there", exist_ok=True)
    world.file("there/token", world.tokens["a", "one"])
    world.config("there/config", single({"tokenFile": "token"}, world.cluster()))
    return files("there/config")


def at_home(world: World, **env: str) -> Setup:
    world.config(".kube/config", named(world, "a", current_context="a"))
    return Setup(env)


def at_home_in_a_pod(world: World) -> Setup:
    return at_home(world, KUBERNETES_SERVICE_HOST="127.0.0.1", KUBERNETES_SERVICE_PORT=str(world.port("b")))


def odd_home_in_a_pod(world: World, make: Callable[[Path], object]) -> Setup:
    """In a pod with a `~/.kube/config` that cannot be read."""
    make(world.folder / ".kube")
    return Setup({"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(world.port("b"))})


def flag_and_variable(world: World) -> Setup:
    first, second = two_files(world)
    return Setup({"KUBECONFIG": first}, ("--kubeconfig", second))


def twice_the_same_name(world: World) -> Setup:
    content = named(world, "a", current_context="a")
    return files(world.config("1", {**content, "users": content["users"] * 2}))


def without(world: World, kind: str) -> Setup:
    return files(world.config("1", {**named(world, "a", current_context="a"), kind: []}))


def anchors(world: World) -> Setup:
    """YAML as people write it, with a name that looks like a date."""
    text = f"""
current-context: 2026-01-31
clusters: [{{name: &n 2026-01-31, cluster: {{server: "https://127.0.0.1:{world.port()}",
  certificate-authority-data: {world.ca()}}}}}]
users: [{{name: *n, user: {{token: {world.tokens["a", "one"]}}}}}]
contexts: [{{name: *n, context: {{cluster: *n, user: *n, namespace: {NAMESPACE}}}}}]
"""
    return files(world.file("config", text))


def context_of(world: World, name: str, **top: str) -> Setup:
    return Setup({"KUBECONFIG": both(world, **top)}, ("--context", name))


SAME: dict[str, Callable[[World], Setup]] = {
    "the current context": lambda w: files(both(w, current_context="b")),
    "another context by flag": lambda w: context_of(w, "b", current_context="a"),
    "a context by flag, no current one": lambda w: context_of(w, "b"),
    "a context by flag, an empty current one": lambda w: context_of(w, "a", current_context=""),
    "a context by flag, a stale current one": lambda w: context_of(w, "a", current_context="gone"),
    "two files with a current context: the first wins": lambda w: files(*two_files(w)),
    "two files in the other order": lambda w: files(*reversed(two_files(w))),
    "two files, a context of the second": lambda w: Setup(files(*two_files(w)).env, ("--context", "b")),
    "a current context in the second file only": lambda w: files(
        w.config("1", named(w, "a")), w.config("2", named(w, "b", current_context="b"))
    ),
    "a user that both files have: the first wins": same_user_twice,
    "cluster, user and context from three files": split,
    "a context of the first file, its user of the second": a_part_wins,
    "a file that does not exist, and one that does": lambda w: files("/nonexistent", both(w, current_context="b")),
    "empty parts": lambda w: files("", both(w, current_context="b"), ""),
    "the same file twice": lambda w: files(both(w, current_context="b"), str(w.folder / "both")),
    "an empty file first": lambda w: files(w.file("empty", ""), both(w, current_context="a")),
    "paths are relative to the file": relative,
    "paths are relative to the second file": relative_from_second_file,
    "KUBECONFIG is relative itself": named_relatively,
    "~/.kube/config": at_home,
    "~/.kube/config, KUBECONFIG is empty": lambda w: at_home(w, KUBECONFIG=""),
    "~/.kube/config in a pod": at_home_in_a_pod,
    "--kubeconfig wins over KUBECONFIG": flag_and_variable,
    "anchors, flow style, a name like a date": anchors,
    "JSON": lambda w: files(w.file("config", json.dumps(named(w, "b", current_context="b")))),
}
REFUSED: dict[str, tuple[Callable[[World], Setup], str]] = {
    "no current context": (lambda w: files(both(w)), "current-context"),
    "an empty current context": (lambda w: files(both(w, current_context="")), "current-context"),
    "a stale current context": (lambda w: files(both(w, current_context="gone")), "there is no context 'gone'"),
    "a missing context by flag": (lambda w: context_of(w, "c", current_context="a"), "there is no context 'c'"),
    "a user that does not exist": (lambda w: without(w, "users"), "its user 'a' does not exist"),
    "a cluster that does not exist": (lambda w: without(w, "clusters"), "its cluster 'a' does not exist"),
    "KUBECONFIG names no file that exists": (lambda _: files("/nonexistent", "/nowhere"), "KUBECONFIG"),
    "--kubeconfig names no file that exists": (
        lambda _: Setup({}, ("--kubeconfig", "/nonexistent")),
        "there is no such file",
    ),
    "two users of the same name in a file": (twice_the_same_name, "two users are called 'a'"),
    "one of two files is not YAML": (lambda w: files(both(w, current_context="a"), w.file("2", "a: [")), "not YAML"),
    "one of two files is another kind": (
        lambda w: files(both(w, current_context="a"), w.file("2", "kind: Pod")),
        "kind Config",
    ),
    "a context without a namespace": (
        lambda w: files(w.config("1", single(w.token(), w.cluster(), namespace=None))),
        "it is not set",
    ),
    "a namespace that is none": (
        lambda w: files(w.config("1", single(w.token(), w.cluster(), namespace="a/b"))),
        "namespace is not a namespace name",
    ),
    "an unknown field of the context": (
        lambda w: files(w.config("1", single(w.token(), w.cluster(), impersonate="x"))),
        "impersonate that is not in Kubernetes",
    ),
}
NOBODY: dict[str, tuple[Callable[[World], Setup], str]] = {
    "~/.kube/config is a folder, in a pod": (
        lambda w: odd_home_in_a_pod(w, lambda kube: (kube / "config").mkdir(parents=True)),
        "config: Is a directory",
    ),
    "~/.kube is a file, in a pod": (lambda w: odd_home_in_a_pod(w, Path.touch), "config: Not a directory"),
}
