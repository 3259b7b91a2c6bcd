"""Source sandbox serves a made-up partner where nothing else lives, and changes nothing anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.orchestration.made_up_partner import FILES_ONLY, is_fetched, served
from csp_pipeline.sandbox.generate import PARTIAL_FOLDER, generate
from csp_pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def _settings(folder: Path, **others: object) -> Settings:
    return Settings(_env_file=None, home_path=folder / "home", **{"source": "sandbox", **others})  # type: ignore[arg-type]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    folder = tmp_path / "scenario"
    generate(folder, customers=2, usage_rows=20, months=("2026-09", "2026-09"), currencies=("EUR",))
    return folder


def test_a_scenario_is_served_with_its_terms_and_change_log_in_an_empty_home(tmp_path: Path, scenario: Path) -> None:
    given = _settings(tmp_path, sandbox_scenario=scenario)
    with served(given, lambda _: None) as settings, served(settings, lambda _: None) as again:
        assert again is settings
        assert httpx.get(f"{settings.partner_center_url}/v1/customers").status_code == 401
        assert settings.graph_url == settings.pricing_url == settings.login_url == settings.partner_center_url
        assert settings.partner_tenant_id
        assert settings.client_secret
    written = {path.name for path in (scenario / "commercial").iterdir()}
    assert {path.name for path in settings.home.commercial.iterdir()} == written
    assert [path.name for path in settings.home.inbox.iterdir()] == ["subscription_changes.csv"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{settings.partner_center_url}/v1/customers")


def test_terms_and_files_of_the_home_are_left_as_they_are(tmp_path: Path, scenario: Path) -> None:
    given = _settings(tmp_path, sandbox_scenario=scenario)
    home = given.home.create()
    (home.commercial / "accounts.csv").write_text("account_id\n", "utf-8")
    (home.inbox / "own.csv").write_text("a,b\n", "utf-8")
    with served(given, lambda _: None):
        pass
    assert [path.name for path in home.commercial.iterdir()] == ["accounts.csv"]
    assert [path.name for path in home.inbox.iterdir()] == ["own.csv"]


def test_a_partner_is_made_up_once(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with served(_settings(tmp_path), told.append) as settings:
            assert is_fetched(settings)
    assert told == ["Making up a partner for the sandbox."]
    written = {path.name for pattern in FILES_ONLY for path in (settings.home.root / "sandbox" / "inbox").glob(pattern)}
    assert {path.name for path in settings.home.inbox.iterdir()} == written
    assert any(name.startswith("distributor_td_synnex") for name in written)


def test_what_a_killed_run_left_half_made_is_made_again(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    home = settings.home.create()
    (home.root / "sandbox" / PARTIAL_FOLDER).mkdir(parents=True)
    (home.root / "sandbox" / "scenario.json").write_text("{}", "utf-8")
    (home.inbox / ".unfinished-1").touch()
    with served(settings, lambda _: None):
        pass
    assert (home.inbox / "subscription_changes.csv").is_file()
    assert any(home.commercial.iterdir())


@pytest.mark.parametrize("folder", ["inbox", "commercial", "landing/scans"])
def test_no_partner_is_made_up_beside_files_of_the_homes_own(tmp_path: Path, folder: str) -> None:
    settings = _settings(tmp_path)
    (settings.home.create().root / folder).mkdir(exist_ok=True)
    (settings.home.root / folder / "own").touch()
    with served(settings, lambda _: None) as same:
        assert same is settings
    assert not is_fetched(settings)
    assert is_fetched(_settings(tmp_path, partner_center_url="http://127.0.0.1:1"))


def test_other_sources_start_no_server(tmp_path: Path) -> None:
    for source, is_asked in (("inbox", False), ("partner-center", True)):
        settings = _settings(tmp_path, source=source)
        with served(settings, lambda _: None) as same:
            assert same is settings
        assert is_fetched(settings) is is_asked


def test_a_folder_that_generate_did_not_write_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(CspError, match="csp-pipeline generate"),
        served(_settings(tmp_path, sandbox_scenario=tmp_path), lambda _: None),
    ):
        pass
