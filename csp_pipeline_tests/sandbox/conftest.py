"""One generated partner, shared by the tests that only look at it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.sandbox.generate import generate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default partner with fewer usage rows."""
    out = tmp_path_factory.mktemp("partner")
    generate(out, usage_rows=6_000)
    return out


@pytest.fixture(scope="session")
def expected(partner: Path) -> dict[str, Any]:
    """Its `expected.json`."""
    content: dict[str, Any] = json.loads((partner / "expected.json").read_text(encoding="utf-8"))
    return content
