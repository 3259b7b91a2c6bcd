"""Imports point one way: domain, formats, then storage, sources, models and quality, steps, orchestration, wiring."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import csp_pipeline

PACKAGE = Path(csp_pipeline.__file__).parent
FOUNDATION = {"errors", "garbage", "settings", "models", "storage", "sources", "formats", "quality", "domain"}
ALLOWED = {
    "domain": {"domain", "errors"},
    "formats": {"domain", "formats", "errors"},
    "models": FOUNDATION - {"quality", "sources"},
    "storage": FOUNDATION - {"quality", "sources"},
    "sources": FOUNDATION - {"quality"},
    "quality": FOUNDATION,
    "notifications": {"notifications", "domain", "errors"},
    "steps": FOUNDATION | {"notifications", "steps"},
    "sandbox": {"sandbox", "errors"},
    "orchestration": FOUNDATION | {"notifications", "steps", "orchestration", "definitions", "sandbox"},
}


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {
                f"{node.module}.{alias.name}" if node.module == "csp_pipeline" else node.module for alias in node.names
            }
    return names


def _layers(file: Path) -> set[str]:
    own = {name.split(".")[1] for name in _imported(file) if name.startswith("csp_pipeline.")}
    return own - {"__version__"}


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_what_stands_below_it(layer: str) -> None:
    wrong = {
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in (PACKAGE / layer).rglob("*.py")
        for name in _layers(file) - ALLOWED[layer]
    }
    assert not wrong


def test_only_orchestration_and_definitions_import_dagster() -> None:
    importing = {
        file.relative_to(PACKAGE).parts[0]
        for file in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "dagster" for name in _imported(file))
    }
    assert importing == {"orchestration", "definitions.py"}


def test_the_domain_imports_nothing_but_polars_and_the_standard_library() -> None:
    outside = {name.split(".")[0] for file in (PACKAGE / "domain").rglob("*.py") for name in _imported(file)} - set(
        sys.stdlib_module_names
    )
    assert outside <= {"polars", "csp_pipeline"}
