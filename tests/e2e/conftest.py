"""Keep these tests out of `make test`: they need root and a sandbox. `make e2e` names them by their folder."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if any("e2e" in argument for argument in config.args) else True
