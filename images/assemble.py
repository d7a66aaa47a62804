"""Runs while an image is built: collects what Python and the locked packages need into an empty root file system.

    assemble.py runtime SITE ROOT    SITE is what pip installed; ROOT becomes the image's file system
    assemble.py compile APP          compiles our own packages, which keep their sources

Needs nothing but Python's standard library, `ldd` and, where the base has them, `dpkg` and its records.
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

USER = 65532
# Python's own parts that nothing here imports (tests/images checks every import of every module in the image).
UNUSED = {
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "dist-packages",
    "test",
    "tkinter",
    "turtledemo",
    "venv",
}
UNUSED_BINARY = re.compile(
    r"_test|_ctypes_test|xxlimited|_tkinter|_remote_debugging|_sqlite3|_gdbm|_dbm|_curses|readline"
)
FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/nonexistent:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nnonroot:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def runtime(site: Path, root: Path) -> None:
    """Interpreter, standard library, shared libraries and `site` (as /app), with the records that scanners read."""
    for folder in ("usr/local/bin", "usr/lib", "usr/lib64", "app", "etc", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "lib64").symlink_to("usr/lib64")
    (root / "tmp").chmod(0o1777)
    for name, text in FILES.items():
        (root / name).write_text(text)
    interpreter = Path(sys.executable).resolve()
    shutil.copy2(interpreter, root / "usr/local/bin/python3")
    library = root / "usr/local/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    _copy(Path(sysconfig.get_path("stdlib")), library)
    shutil.copytree(site, root / "app", dirs_exist_ok=True, ignore=shutil.ignore_patterns("bin", "__pycache__"))
    _bytecode_only(library)
    _bytecode_only(root / "app")
    taken = [interpreter, *_libraries([interpreter, *root.rglob("*.so")])]
    for path in taken[1:]:
        _place(path, root)
    _records(taken, root)


def _copy(source: Path, target: Path) -> None:
    """The standard library without what nothing here uses; binary modules lie in lib-dynload."""

    def unwanted(folder: str, names: list[str]) -> Iterator[str]:
        for name in names:
            parts = {"__pycache__"} | (UNUSED if Path(folder) == source else set())
            if name in parts or name.startswith(("config-", "sitecustomize")) or UNUSED_BINARY.match(name):
                yield name

    shutil.copytree(source, target, ignore=lambda folder, names: set(unwanted(folder, names)))


def _bytecode_only(folder: Path) -> None:
    """Replace others' sources by their bytecode: half the size, and nothing is compiled at run time."""
    _compile(folder, legacy=True)
    for path in folder.rglob("*.py"):
        path.unlink()
    for record in ("RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json"):  # of pip, about the sources
        for path in folder.glob(f"*.dist-info/{record}"):
            path.unlink()


def _compile(folder: Path, *, legacy: bool) -> None:
    # paths in tracebacks are the image's; unchecked: nobody compares them with a source at run time
    shown = "/app" if folder.name == "app" else str(folder)[len("/rootfs") :]
    if not compileall.compile_dir(
        folder, quiet=1, legacy=legacy, ddir=shown, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, workers=1
    ):
        raise SystemExit(f"cannot compile {folder}")


def _libraries(binaries: Iterable[Path]) -> list[Path]:
    """The shared libraries, and the loader, that `binaries` need."""
    found: set[str] = set()
    for binary in binaries:
        listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
        if missing := re.findall(r"(\S+) => not found", listed):
            raise SystemExit(f"{binary} needs {', '.join(missing)}, which the base lacks")
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return [Path(path) for path in sorted(found)]


def _place(library: Path, root: Path) -> None:
    """The loader where binaries expect it, libraries in /usr/lib, where every loader looks: it needs no cache."""
    folder = library.parent.name if library.name.startswith("ld-linux") else "lib"
    shutil.copy2(library.resolve(), root / "usr" / folder / library.name)


def _records(taken: Iterable[Path], root: Path) -> None:
    """Debian's record and licence of each package that `taken` comes from, where vulnerability scanners look."""
    if not shutil.which("dpkg-query"):
        return
    for package in sorted({name for path in taken for name in _packages(path)}):
        record = root / "var/lib/dpkg/status.d" / package
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(subprocess.check_output(["dpkg-query", "--status", package], text=True))
        licence = Path("/usr/share/doc") / package / "copyright"
        if licence.exists():
            target = root / str(licence)[1:]
            target.parent.mkdir(parents=True)
            shutil.copy2(licence.resolve(), target)


def _packages(path: Path) -> list[str]:
    """The package that `path` belongs to; none for what was installed without dpkg."""
    for candidate in (path.resolve(), Path(re.sub(r"^/usr", "", str(path.resolve())))):
        found = subprocess.run(["dpkg-query", "--search", candidate], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return [found.stdout.split(":")[0]]
    return []


if __name__ == "__main__":
    os.umask(0o022)
    if sys.argv[1] == "runtime":
        runtime(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        _compile(Path(sys.argv[2]), legacy=False)
