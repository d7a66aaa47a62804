"""Runs inside the image: imports all our modules, and modules and codecs that our code may import on demand."""

import importlib
import pkgutil
import sys

sys.set_lazy_imports("normal")  # type: ignore[attr-defined]  # Python 3.15
for package in ("registrar", "janitor"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
for name in (
    "kubernetes.client",
    "kubernetes.config",
    "kubernetes.config.exec_provider",
    "prometheus_client.exposition",
    "tenacity",
    "urllib3",
    "http.server",
    "yaml",
):
    importlib.import_module(name)
for codec in ("ascii", "cp1252", "idna", "latin-1", "utf-16", "utf-8-sig"):  # looked up by name
    "x".encode(codec)
