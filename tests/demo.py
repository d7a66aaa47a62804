"""Show the main job on a real API server, in a minute: three nodes register, one goes away, the janitor cleans up.

`make demo` runs it. There is no kubelet and no controller, so the demo does their work: it creates the agent pods, and
runs the programs with the environment and the token that those pods would have. All files are in a temporary folder.
"""

import os
import re
import sys
import time
from textwrap import indent

from registrar import contract
from tests.harness import assets
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, NODES, PODS, Cluster, Run

LOST = "node-sh-01"
NAMES = ("node-bj-01", LOST, "ws-7.sz.example.com")  # a node's name may contain a dot, a Service's may not
POD_COLUMNS = {
    "NODE": ".spec.nodeName",
    "POD": ".metadata.name",
    "TARGET-NODE": f".metadata.labels.{contract.NODE_LABEL}",
}
SERVICE_COLUMNS = {
    "NODE": f".metadata.annotations.{contract.NODE_NAME_ANNOTATION}",
    "SERVICE": ".metadata.name",
    "PORT": ".spec.ports[*].port",
    "SELECTS-TARGET-NODE": f".spec.selector.{contract.NODE_LABEL}",
}
NEXT = "Next: install it on a cluster (README.md), or run a real cluster with two LANs here, as root: make e2e"
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")


def main() -> int:
    started = time.monotonic()
    try:
        heading("Starting etcd and a real kube-apiserver, RBAC on; the whole demo takes half a minute")
        with ApiServer() as api:
            say(f"Kubernetes {api.version} is up at {api.url}")
            play(Cluster(api))
    except KeyboardInterrupt:
        say("\ninterrupted; nothing is left running")
        return 130
    say(f"\nDone in {time.monotonic() - started:.0f} seconds. Nothing is left running.")
    say(NEXT)
    if (found := assets.in_use()) and found.instead_of:
        say(str(found))
    return 0


def play(cluster: Cluster) -> None:
    """Run all steps. A step that does not do what it says ends the demo with exit code 1."""
    heading("Three nodes, each with an agent pod, as the DaemonSet would start it")
    for name in NAMES:
        cluster.node(name)
    pods = [cluster.pod(name) for name in NAMES]
    show_table(cluster, "pods", POD_COLUMNS)

    heading("In each pod's init container the registrar labels the pod and creates the Service of its node")
    for pod in pods:
        register(cluster, pod)
    show_table(cluster, "pods", POD_COLUMNS)
    show_table(cluster, "services", SERVICE_COLUMNS)
    check(set(nodes_with_service(cluster)) == set(NAMES), "each node has its Service")
    say("\nAny pod can now go out through the node that it names:")
    say(f"  curl -x http://{contract.service_name(NAMES[0])}.{NAMESPACE}:8888 http://192.168.1.100/status")

    heading(f"{LOST} is removed; its Service remains and leads nowhere")
    lose(cluster)
    show_table(cluster, "services", SERVICE_COLUMNS)

    heading("What would the janitor do?")
    before = cluster.services()
    foreseen = run_janitor(cluster, "--dry-run")
    check(
        f"delete   -       {contract.service_name(LOST)}" in foreseen.out, "the dry run names the one Service to delete"
    )
    check(cluster.services() == before, "the dry run changes nothing")

    heading("The janitor itself, as its CronJob runs it")
    run_janitor(cluster)

    heading("What is left")
    show_table(cluster, "services", SERVICE_COLUMNS)
    check(set(nodes_with_service(cluster)) == set(NAMES) - {LOST}, "only the Service of the removed node is gone")


def register(cluster: Cluster, pod: Object) -> None:
    env = cluster.registrar_env(pod)
    shown = " ".join(f"{name}={env[name]}" for name in ("NODE_NAME", "POD_NAME"))
    command(f"{shown} python -m registrar")
    report(cluster.run("registrar", env))
    value = contract.label_value(pod["spec"]["nodeName"])
    check(cluster.pod_labels(pod).get(contract.NODE_LABEL) == value, "the pod has its node's label")


def lose(cluster: Cluster) -> None:
    kubectl(cluster, "delete", "node", LOST)
    for pod in cluster.admin.list(PODS):
        if pod["spec"]["nodeName"] == LOST:
            kubectl(cluster, "delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")
    check(not cluster.exists(f"{NODES}/{LOST}"), "the node is gone")


def run_janitor(cluster: Cluster, *flags: str) -> Run:
    command(" ".join(["python -m janitor", *flags]))
    run = cluster.run("janitor", cluster.janitor_env(), flags)
    report(run)
    return run


def nodes_with_service(cluster: Cluster) -> list[str]:
    return [each["metadata"]["annotations"][contract.NODE_NAME_ANNOTATION] for each in cluster.services().values()]


# ---- output


def heading(text: str) -> None:
    say(f"\n{BOLD}# {text}{PLAIN}")


def command(line: str) -> None:
    say(f"{BOLD}$ {line}{PLAIN}")


def say(text: str) -> None:
    print(text, flush=True)


def report(run: Run) -> None:
    """Print a program's log, without times and temporary files, and then its result."""
    log = re.sub(r"^\S+Z (INFO settings: .*\n)?", "", run.err, flags=re.MULTILINE)  # a line too wide for the demo
    log = re.sub(r"kubeconfig \S+?\.kubeconfig", "its own token", log)
    said(log + run.out)
    check(run.code == 0, "the program ends with exit code 0")


def show_table(cluster: Cluster, what: str, columns: dict[str, str]) -> None:
    """`kubectl get` with the columns that matter here."""
    spec = ",".join(f"{name}:{path}" for name, path in columns.items())
    kubectl(cluster, "get", what, quietly=("-o", f"custom-columns={spec}", f"--sort-by={columns['NODE']}"))


def kubectl(cluster: Cluster, *args: str, quietly: tuple[str, ...] = ()) -> None:
    """Run kubectl and print its output. The arguments `quietly` are not printed."""
    command(f"kubectl {' '.join(args)}")
    said(cluster.api.kubectl("-n", NAMESPACE, *args, *quietly).stdout)


def said(text: str) -> None:
    say(indent(text, "  ").rstrip())


def check(true: bool, what: str) -> None:
    if not true:
        raise SystemExit(f"the demo failed, because this is not true: {what}")


if __name__ == "__main__":
    sys.exit(main())
