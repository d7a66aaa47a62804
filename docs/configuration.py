"""Generates docs/configuration.md from the programs' options: `make configuration`. `make lint` compares."""

from collections.abc import Iterator

import janitor.settings
import registrar.settings
from registrar.cli.options import Command, Option

INTRODUCTION = """\
# Configuration

<!-- Generated from registrar/settings.py, janitor/settings.py and registrar/cli/common.py: `make configuration`. -->

Every option is a flag, for people, and an environment variable, for YAML. A flag wins over the variable, which wins
over the default. An empty variable counts as unset. If an option is missing or bad, the program ends before its first
request, with exit code 2 and one line that names the option. `--help` shows the same as this page, `--version` the
program's version.

- **Switches** take no value as a flag. In the environment, use `true` or `1`, `false` or `0`.
- **Durations** are `90s`, `10m`, `24h`, `1h30m`, `500ms` or `0`. A number without a unit is refused.
- **Repeatable options** take several flags, or one text with commas. They replace the default, they do not add to it.
- The first lines of the log show the effective settings (secrets left out), the API server and the namespace.
- The result (the janitor's report, the registrar's `--dry-run`) goes to standard output, the log to standard error.
  With `--log-level debug`, an error is logged with its traceback.
"""
DOWNWARD = """\
The downward API provides the four variables of the pod:

    env:
      - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
      - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
      - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}

`NODE_NAME` is converted to lower case. If a pod sets `REGISTRAR_PORT`, set `enableServiceLinks: false` too: otherwise
kubelet overwrites it if there is a Service called `registrar`.
"""


def page() -> str:
    """The whole page."""
    commands = ((registrar.settings.COMMAND, DOWNWARD), (janitor.settings.COMMAND, ""))
    return "\n".join([INTRODUCTION, *(line for command, more in commands for line in _section(command, more))])


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
    yield from (f"    # {purpose}\n    {example}" for purpose, example in command.examples.items())
    yield ""


def _row(option: Option) -> str:
    flag = f"{option.flag} {option.kind.metavar}".rstrip()
    typed = option.kind.metavar and not option.unset and not option.field_ref
    default = f"`{option.fallback}`" if typed else option.fallback
    if option.field_ref:
        default += f"; downward API: fieldRef {option.field_ref}"
    meaning = option.meaning + ("; repeatable" if option.kind.repeatable else "")
    cells = (f"`{flag}`", f"`{option.env}`", default, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
