"""The inbox that a test of the ingest step fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.steps.inbox_case import InboxCase

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def case(tmp_path: Path) -> InboxCase:
    """An empty one."""
    return InboxCase.at(tmp_path / "home")
