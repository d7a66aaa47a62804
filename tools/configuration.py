"""Writes docs/configuration.md from the programs' tables: `make configuration`; `make lint` compares."""

from collections.abc import Iterator

import janitor.settings
import registrar.settings
from registrar.cli.options import Group, Option, Program

INTRODUCTION = """\
# Configuration

<!-- Made from registrar/settings.py, janitor/settings.py and registrar/cli/options.py by `make configuration`. -->

Every option is a flag, for hands, and an environment variable, for YAML. In this order: the flag, the variable, the
default. An empty variable counts as unset. Whatever is missing or bad ends the program before its first request, with
exit code 2 and one line that names it. `--help` says the same as this page; `--version` names the program's version.

- **Switches** take no value as a flag; in the environment `true` or `1`, `false` or `0`.
- **Durations** are `90s`, `10m`, `24h`, `1h30m`, `500ms` or `0`; a number without a unit is refused.
- **What is repeatable** is given as several flags, or as one text with commas; such a variable replaces the default, it
  does not add to it.
- The log's first line names the server and the namespace that these settings lead to.
- The result (the janitor's report, the registrar's `--dry-run`) goes to standard output, the log to standard error.
  With `--log-level debug` an error comes with its traceback.
"""
DOWNWARD = """\
The first four are what the downward API gives, as in manifests/base:

    env:
      - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
      - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
      - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}

`NODE_NAME` is lower-cased. A pod that sets `REGISTRAR_PORT` should set `enableServiceLinks: false` too: kubelet would
set it for a Service called `registrar`.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *_program(registrar.settings.PROGRAM, DOWNWARD), *_program(janitor.settings.PROGRAM, "")]
    return "\n".join(parts)


def _program(program: Program, more: str) -> Iterator[str]:
    yield f"## {program.name.capitalize()}\n\n`{program.command}`: {program.about}\n"
    if more:
        yield more
    for group in program.groups:
        yield from _group(group)
    yield "| exit code | meaning |\n|---|---|"
    yield from (f"| {code} | {meaning} |" for code, meaning in program.exit_codes.items())
    yield "\nExamples:\n"
    for purpose, command in program.examples.items():
        yield f"    # {purpose}\n    {command}"
    yield ""


def _group(group: Group) -> Iterator[str]:
    yield f"### {group.title[0].upper()}{group.title[1:]}\n"
    yield "| flag | environment | default | meaning |\n|---|---|---|---|"
    yield from map(_row, group.options)
    yield ""


def _row(option: Option) -> str:
    flag = f"--{option.name} {option.metavar}" if option.metavar else f"--{option.name}"
    default = option.otherwise if option.default is None or not option.metavar else f"`{option.default}`"
    if option.required:
        default = f"{option.otherwise}; {option.required}"
    more = "; repeatable" if option.repeatable else ""
    cells = (f"`{flag}`", f"`{option.env}`", default, option.help + more)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
