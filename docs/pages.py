"""Collects the pages of the site: README, docs, the chart's values and other pages, with links that fit the site."""

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

from docs import address

ROOT = address.ROOT
LINK = re.compile(r"\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")
# SECURITY.md must not stand beside security.md where a file system ignores case.
VALUES = "manifests/chart/values.yaml"  # documents each value in a comment
PLACES = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "SECURITY.md": "security-policy.md",
    VALUES: "values.md",
}
SUFFIXES = {".md", ".svg", ".png"}


def sources(root: Path = ROOT) -> dict[str, str]:
    """Each page and picture, by its path in the repository: its path on the site."""
    found = [*root.glob("*.md"), *(file for file in (root / "docs").rglob("*") if file.suffix in SUFFIXES)]
    paths = sorted([VALUES, *(file.relative_to(root).as_posix() for file in found)])
    return {path: PLACES.get(path, path.removeprefix("docs/")) for path in paths}


def rewritten(text: str, path: str, site: dict[str, str], root: Path = ROOT) -> str:
    """The page at `path` with links to other pages of the site, and to GitHub for any other file."""

    def link(found: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(path).parent / found["path"])
        if target in site:
            there = os.path.relpath(site[target], PurePosixPath(site[path]).parent)
        elif (root / target).exists():
            kind = "tree" if (root / target).is_dir() else "blob"
            there = f"{address.repository()}/{kind}/main/{target}"
        else:
            return found[0]
        return f"]({there}{found['anchor'] or ''})"

    return LINK.sub(link, text)


def write(folder: Path) -> None:
    """Write all pages and pictures to `folder`, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    site = sources()
    for path, there in site.items():
        target = folder / there
        target.parent.mkdir(parents=True, exist_ok=True)
        if path == VALUES:
            target.write_text(f"# Values of the chart\n\n```yaml\n{(ROOT / path).read_text()}```\n")
        elif target.suffix == ".md":
            target.write_text(rewritten((ROOT / path).read_text(), path, site))
        else:
            shutil.copyfile(ROOT / path, target)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
