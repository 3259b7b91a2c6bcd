"""The partner whose staged rows a test writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.models.staged_rows import StagedPartner, open_partner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home


@pytest.fixture
def partner(home: Home) -> Iterator[StagedPartner]:
    """A warehouse in memory."""
    opened = open_partner(home)
    yield opened
    opened.close()
