"""Runs inside the image: prints each import of a standard module, in any module under /app, that the image lacks."""

import dis
import importlib.util
import marshal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

APP = Path("/app")


def imports(code: CodeType) -> Iterator[tuple[int, str]]:
    """Level and name of each import, including those in functions."""
    constants: list[object] = []
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            level = constants[-2] if len(constants) > 1 else 0
            yield level if isinstance(level, int) else 0, str(step.argval)
        if step.opname.startswith(("LOAD_CONST", "LOAD_SMALL_INT")):
            constants.append(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from imports(constant)


def there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False


known: dict[str, bool] = {}
for path in sorted(APP.rglob("*.pyc")):
    module = str(path.relative_to(APP)).removesuffix(".pyc").replace("__pycache__/", "").split(".cpython")[0]
    for level, name in imports(marshal.loads(path.read_bytes()[16:])):
        top = name.split(".")[0]
        # other packages import optional ones, so only standard modules are checked; import_all.py imports the others
        if level == 0 and top in sys.stdlib_module_names and not known.setdefault(name, there(name)):
            print(module, name)
