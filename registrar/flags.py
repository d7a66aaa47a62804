"""The registrar's table: its options, exit codes and examples. Pure."""

from registrar import common, contract, values
from registrar.options import Group, Option, Program
from registrar.port import port

_FROM = "downward API: fieldRef "
_WHO = Group(
    "who it is",
    (
        Option(
            "node-name",
            "NODE_NAME",
            values.node_name,
            "name of the node",
            "NAME",
            required=_FROM + "spec.nodeName",
        ),
        Option("pod-name", "POD_NAME", values.pod_name, "own pod", "NAME", required=_FROM + "metadata.name"),
        Option("pod-uid", "POD_UID", values.pod_uid, "own pod's uid", "UID", required=_FROM + "metadata.uid"),
        Option(
            "namespace",
            "POD_NAMESPACE",
            values.namespace,
            "own pod's namespace",
            "NAME",
            unset="the credentials' own",
        ),
    ),
)
_WHAT = Group(
    "the Service it keeps",
    (
        Option(
            "service-prefix",
            "REGISTRAR_SERVICE_PREFIX",
            values.service_prefix,
            "start of the Service's name",
            "PREFIX",
            contract.SERVICE_PREFIX,
        ),
        Option(
            "port",
            "REGISTRAR_PORT",
            port,
            "port of the Service: NAME=PORT[:TARGET][/PROTOCOL]",
            "PORT",
            "http-proxy=8888",
            repeatable=True,
        ),
        Option(
            "selector",
            "REGISTRAR_SELECTOR",
            values.label_pair,
            "label that all agent pods carry",
            "KEY=VALUE",
            ",".join(f"{key}={value}" for key, value in contract.AGENT_SELECTOR.items()),
            repeatable=True,
        ),
        Option(
            "node-label",
            "REGISTRAR_NODE_LABEL",
            values.label_key,
            "label key that holds the node, on the pod and on the Service",
            "KEY",
            contract.NODE_LABEL,
        ),
        Option(
            "take-over",
            "REGISTRAR_TAKE_OVER",
            values.boolean,
            "also where this node's Service has another selector (another DaemonSet's)",
            default="false",
        ),
    ),
)
_HOW = Group(
    "how it runs",
    (
        Option(
            "dry-run",
            "REGISTRAR_DRY_RUN",
            values.boolean,
            "let the API server try it, change nothing, print both objects as YAML",
            default="false",
        ),
        Option(
            "resync",
            "REGISTRAR_RESYNC",
            values.positive_duration,
            "stay, and register again as often, for a native sidecar",
            "DURATION",
            unset="off, it registers once",
        ),
        Option(
            "health-port",
            "REGISTRAR_HEALTH_PORT",
            values.tcp_port,
            "with --resync: serve /livez and /readyz on this port",
            "PORT",
            unset="off",
        ),
        common.timeout("REGISTRAR_"),
    ),
)
PROGRAM = Program(
    name="registrar",
    about="Labels its own pod with its node and keeps that node's ClusterIP Service.",
    groups=(_WHO, _WHAT, _HOW, *common.groups("REGISTRAR_")),
    exit_codes={
        "0": "done: pod label and Service are as they should be",
        "1": "it could not be done: the log says what, why and what to do next",
        "2": "bad settings: nothing was tried",
        "130": "interrupted by SIGINT or SIGTERM (0 with --resync, once registered)",
    },
    examples={
        "what it would do, in a pod that has its four variables": "python -m registrar --dry-run",
        "two ports": "python -m registrar --port http-proxy=8888 --port socks=1080",
        "as a sidecar: again every ten minutes": "python -m registrar --resync 10m --health-port 8081",
    },
)
