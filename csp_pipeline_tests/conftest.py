"""Fixtures that every test may use: an empty CSP_HOME and settings that no environment can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from csp_pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.storage.home import Home

hypothesis_settings.register_profile("suite", deadline=None)
hypothesis_settings.load_profile("suite")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty home, with `.env` and CSP_HOME left aside."""
    return Settings(_env_file=None, home_path=tmp_path / "home", source="inbox")


@pytest.fixture
def home(settings: Settings) -> Home:
    """The folders of an empty home."""
    return settings.home.create()
