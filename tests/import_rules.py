"""Import rules that import-linter lacks: an allow-list of what some modules may import.

`lint-imports` reads them from [tool.importlinter] in pyproject.toml. A module that no rule opens stays closed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from importlinter import Contract, ContractCheck, fields, output

Import = tuple[str, int, str]  # importing module, line, imported name


class AllowListContract(Contract):
    """`modules` import nothing but what `allowed` names: a module, or a package with all that is in it.

    A name that ends in `!` allows that module but not what is below it. With `within`, only imports of that package
    are judged.
    """

    modules = fields.SetField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField())
    within = fields.StringField(required=False)

    def check(self, graph: Any, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's own signature
        """Read the sources: grimp keeps only the top-level name of a standard library import."""
        rules = _texts(self.modules)
        names = sorted(name for name in graph.modules if any(_covers(rule, name) for rule in rules))
        refused = [found for name in names for found in _imports(name) if not self._may(found[2])]
        return ContractCheck(kept=bool(names) and not refused, metadata={"refused": refused})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each import."""
        for module, line, name in check.metadata["refused"]:
            output.print_error(f"{module} may not import {name} (line {line})")

    def _may(self, name: str) -> bool:
        inside = not self.within or _covers(str(self.within), name)
        return not inside or any(_covers(rule, name) for rule in _texts(self.allowed))


def _texts(field: Any) -> set[str]:
    """The value of a field, which import-linter puts in the place of its declaration."""
    return set(field)


def _covers(rule: str, name: str) -> bool:
    """Whether `rule` names the module `name`, or the package or module that `name` is in."""
    if rule.endswith("!"):
        package = rule[:-1]
        return name == package or (name.startswith(f"{package}.") and not _file(name))
    return name == rule or name.startswith(f"{rule}.")


def _file(module: str) -> Path | None:
    path = Path(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imports(module: str) -> Iterator[Import]:
    """All imports in the module's source, but for those that only a type checker sees."""
    file = _file(module)
    nodes: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))] if file else []
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from ((module, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _package(module, file, node)
            yield from ((module, node.lineno, f"{package}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        else:
            nodes += ast.iter_child_nodes(node)


def _package(module: str, file: Path | None, node: ast.ImportFrom) -> str:
    """The package or module of a `from` import, which may be relative."""
    if not node.level:
        return str(node.module)
    levels = node.level - 1 if file and file.name == "__init__.py" else node.level
    package = module.split(".")[: -levels or None]
    return ".".join([*package, *([node.module] if node.module else [])])
