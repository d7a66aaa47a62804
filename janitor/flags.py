"""The janitor's table: its options, exit codes and examples. Pure."""

from janitor.values import delete_parallel, max_delete, selector
from registrar import common, contract, values
from registrar.options import Group, Option, Program

_WHICH = Group(
    "which Services it looks at",
    (
        Option(
            "namespace",
            "JANITOR_NAMESPACE",
            values.namespace,
            "namespace of the Services",
            "NAME",
            unset="the credentials' own",
        ),
        Option(
            "selector",
            "JANITOR_SELECTOR",
            selector,
            "labels of the Services",
            "KEY=VALUE,...",
            "=".join(contract.MANAGED_BY),
        ),
        Option(
            "node-label",
            "JANITOR_NODE_LABEL",
            values.label_key,
            "label key that holds the node, on pods and Services",
            "KEY",
            contract.NODE_LABEL,
        ),
    ),
)
_WHEN = Group(
    "what it may delete",
    (
        Option("dry-run", "JANITOR_DRY_RUN", values.boolean, "judge and report, change nothing", default="false"),
        Option(
            "grace-period",
            "JANITOR_GRACE_PERIOD",
            values.duration,
            "how long a node must be gone, over however many runs",
            "DURATION",
            "0s",
        ),
        Option(
            "max-delete",
            "JANITOR_MAX_DELETE",
            max_delete,
            "refuse a run that would delete more",
            "N or N%",
            unset="half of the Services with a known node, rounded up",
        ),
        Option(
            "delete-parallel", "JANITOR_DELETE_PARALLEL", delete_parallel, "how many are deleted at a time", "N", "4"
        ),
    ),
)
_HOW = Group(
    "how it runs",
    (
        Option(
            "interval",
            "JANITOR_INTERVAL",
            values.positive_duration,
            "stay, and run again each time it is over",
            "DURATION",
            unset="off, it runs once",
        ),
        common.timeout("JANITOR_"),
    ),
)
_WHOM = Group(
    "whom it tells",
    (
        Option("output", "JANITOR_OUTPUT", values.one_of("text", "json"), "text or json", "FORMAT", "text"),
        Option(
            "metrics-port",
            "JANITOR_METRICS_PORT",
            values.tcp_port,
            "serve /metrics, /livez and /readyz on this port",
            "PORT",
            unset="off",
        ),
        Option(
            "linger",
            "JANITOR_LINGER",
            values.duration,
            "how long to go on serving after the run, so that it is scraped",
            "DURATION",
            "0s",
        ),
        Option(
            "pushgateway",
            "JANITOR_PUSHGATEWAY",
            values.base_url,
            "push the metrics of each run there; a user and a password in the URL are never logged",
            "URL",
            unset="off",
            secret=True,
        ),
        Option(
            "events",
            "JANITOR_EVENTS",
            values.boolean,
            "record a Kubernetes Event for each deletion and each refusal",
            default="false",
        ),
    ),
)
PROGRAM = Program(
    name="janitor",
    about="Removes the Services of nodes that are gone. Uncertain means keep.",
    groups=(_WHICH, _WHEN, _HOW, _WHOM, *common.groups("JANITOR_")),
    exit_codes={
        "0": "done: what had to go is gone",
        "1": "not all could be done: the log says what, why and what to do next",
        "2": "bad settings: nothing was tried",
        "3": "refused by the guard: nothing was deleted (see --max-delete)",
        "130, 143": "interrupted by SIGINT, SIGTERM (0 with --interval)",
    },
    examples={
        "what would go": "python -m janitor --dry-run --namespace project-nodeproxy",
        "what is gone for a day, ten Services at the most": "python -m janitor --grace-period 24h --max-delete 10",
        "which Services wait, for a script": "python -m janitor --dry-run --output json",
    },
)
