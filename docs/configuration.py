"""Generates docs/configuration.md from the programs' options: `make configuration`. `make lint` compares."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import janitor.settings
import registrar.settings
from registrar.cli.options import Command, Option
from registrar.kube import unsupported
from registrar.kube.unsupported import Unsupported

SCHEMA = Path(__file__).parents[1] / "manifests" / "chart" / "values.schema.json"
INTRODUCTION = """\
# Settings and exit codes

<!-- Generated from the options of both programs, registrar/kube/unsupported.py and the schema of the chart's values:
`make configuration`. -->

These are the options of both programs. In the chart, `registrar.settings` and `janitor.settings` set these environment
variables, and Helm refuses any other:
"""
OPTIONS = """
Most of the other options have [values of their own](troubleshooting.md#error-lines);
[values.yaml](../manifests/chart/values.yaml) has all values of the chart.

Each option is a flag, for use by hand [from a checkout](runbook.md), and an environment variable, for manifests. A flag
wins over the variable, which wins over the default. An empty variable counts as unset. If an option is missing or bad,
the program ends before its first request, with exit code 2 and one line that names the option. `--help` shows the same
as this page, `--version` the program's version.

- **Switches** take no value as a flag. In the environment, use `true` or `1`, `false` or `0`.
- **Durations** are `90s`, `10m`, `24h`, `1h30m`, `500ms` or `0`. A number without a unit is refused.
- **Repeatable options**: repeat the flag, or write one value with commas. Your values replace the default.
- The first lines of the log show the effective settings (secrets left out), the API server and the namespace.
- The result (the janitor's report, the registrar's `--dry-run`) goes to standard output, the log to standard error.
  With `--log-level debug`, an error is logged with its traceback.
"""
DOWNWARD = """\
The pod's own token names the pod, its namespace and, from Kubernetes 1.30 on, its node. So you need not set these four
variables there. One that is set must agree with the token. The downward API provides them:

```yaml
env:
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
```

`NODE_NAME` is converted to lower case. Give the pods of a DaemonSet of your own `enableServiceLinks: false`: otherwise
kubelet sets `REGISTRAR_PORT` to an address, if they do not set it and there is a Service called `registrar`.
"""


ACCESS = """\
## Kubeconfig and environment

Both programs find the API server where kubectl does: `--kubeconfig`, `KUBECONFIG` (several files are merged),
`~/.kube/config`, then the ServiceAccount of their own pod, where `POD_NAMESPACE` counts more than the ServiceAccount's
namespace. They read all fields of a kubeconfig as kubectl 1.37 does, and `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`,
`SSL_CERT_FILE` and `SSL_CERT_DIR` as Go programs do. Tests run kubectl and both programs with the same files and
variables, and compare which API server was asked, and as which user.

The following is not supported. It ends the program with exit code 2 before any request, with one line that names it:

| field or variable | not supported | instead |
|---|---|---|"""
BESIDE = """
Two rules differ from kubectl: a token may end in a newline, in `token` as in `tokenFile`, and a context without a
namespace is refused unless you set `--namespace`. `kuberc` files are not read.

A program that keeps running (`--resync`, `--interval`) reads all of this again before each run, and once more after a
401: tokens, certificates and CA files may be replaced while it runs. A run fails if the kubeconfig names another API
server than before.
"""


def page() -> str:
    """The whole page."""
    commands = ((registrar.settings.COMMAND, DOWNWARD), (janitor.settings.COMMAND, ""))
    sections = (line for command, more in commands for line in _section(command, more))
    settings = [_settings(command) for command, _ in commands]
    return "\n".join([INTRODUCTION, *settings, OPTIONS, *sections, ACCESS, *map(_unsupported, unsupported.ALL), BESIDE])


def _settings(command: Command) -> str:
    """The environment variables that the chart lets a user set."""
    variables = json.loads(SCHEMA.read_text())["properties"][command.name]["properties"]["settings"]["properties"]
    text = f"- `{command.name}.settings`: {', '.join(f'`{name}`' for name in variables)}"
    return textwrap.fill(text, width=120, subsequent_indent="  ")


def _unsupported(entry: Unsupported) -> str:
    return f"| `{entry.field}` | {entry.refused} | {entry.instead} |"


def _section(command: Command, more: str) -> Iterator[str]:
    yield f"## {command.name.capitalize()}\n\n`python -m {command.name}`: {command.about}\n"
    if more:
        yield more
    for group in command.groups:
        yield f"### {group}\n\n| flag | environment | default | meaning |\n|---|---|---|---|"
        yield from (_row(option) for option in command.options if option.group == group)
        yield ""
    yield "### Exit codes\n\n| exit code | meaning |\n|---|---|"
    yield from (f"| {code} | {meaning} |" for code, meaning in command.exit_codes.items())
    yield "\n### Examples\n"
    yield from (_example(purpose, example) for purpose, example in command.examples.items())


def _example(purpose: str, example: str) -> str:
    """One block of commands. A test runs it (tests/docs), unless the program would keep running."""
    mark = "<!-- not run: it keeps running -->\n" if "--resync" in example else ""
    return f"{mark}```sh\n# {purpose}\n{example}\n```\n"


def _row(option: Option) -> str:
    flag = f"{option.flag} {option.kind.metavar}".rstrip()
    typed = option.kind.metavar and not option.unset
    default = f"`{option.fallback}`" if typed else option.fallback
    meaning = option.meaning + ("; repeatable" if option.kind.repeatable else "")
    cells = (f"`{flag}`", f"`{option.env}`", default, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
