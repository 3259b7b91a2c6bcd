"""Source sandbox: a made-up partner whose server answers in place of Microsoft's, for as long as a run lasts.

What belongs here: when that server is started, what it serves, and the settings with its addresses and credentials. The
server is `sandbox/`; what is fetched from it is fetched by the same code as from Microsoft.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from csp_pipeline.errors import CspError
from csp_pipeline.settings import PARTNER_CENTER_URL
from csp_pipeline.storage.durable import UNFINISHED, durable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

SCENARIO_FILE = "scenario.json"
FILES_ONLY = ("subscription_changes.csv", "distributor_*.csv")
"""What of the scenario only comes as files, whatever the source: the change log, and invoices of distributors."""
_UNFINISHED = ".terms-partial"


def is_fetched(settings: Settings) -> bool:
    """Whether a run of these settings asks a server; files of a home's own are never mixed with a made-up partner."""
    if settings.source == "sandbox":
        return is_server_given(settings) or settings.sandbox_scenario is not None or is_for_made_up(settings.home)
    return settings.source == "partner-center"


def is_server_given(settings: Settings) -> bool:
    """Whether the settings name a server other than Microsoft's."""
    return settings.partner_center_url != PARTNER_CENTER_URL


def is_for_made_up(home: Home) -> bool:
    """Whether a home holds nothing of its owner's, so that a made-up partner may move in, or has done so."""
    if _own_scenario(home).exists():
        return True
    return not (_has_files(home.inbox) or _has_files(home.commercial) or _has_files(home.landing / "scans"))


@contextmanager
def served(settings: Settings, on_progress: Callable[[str], None]) -> Iterator[Settings]:
    """Settings whose addresses answer; the made-up partner's server is started where they are for it and name no other.

    Args:
        settings: of any source.
        on_progress: told one sentence when a partner is made up.

    Yields:
        The settings as they are, or with the server's addresses and credentials.

    Raises:
        CspError: the server does not come up.
    """
    if settings.source != "sandbox" or not is_fetched(settings) or is_server_given(settings):
        yield settings
        return
    from csp_pipeline.sandbox.server.app import running  # noqa: PLC0415  (needed by source sandbox only)

    with running(_scenario(settings, on_progress)) as connection:
        yield settings.model_copy(
            update={
                "partner_center_url": connection.partner_center_url,
                "graph_url": connection.graph_url,
                "login_url": connection.login_url,
                "pricing_url": connection.partner_center_url,
                "partner_tenant_id": connection.tenant_id,
                "client_id": connection.client_id,
                "client_secret": SecretStr(connection.client_secret),
                "refresh_token": SecretStr(connection.refresh_token),
            }
        )


def _scenario(settings: Settings, on_progress: Callable[[str], None]) -> Path:
    """The folder of the scenario, generated where there is none; its terms are copied where there are no others."""
    from csp_pipeline.sandbox.generate import PARTIAL_FOLDER, generate  # noqa: PLC0415  (needed by source sandbox only)

    home = settings.home.create()
    folder = settings.sandbox_scenario or _own_scenario(home)
    if settings.sandbox_scenario is None and (folder / PARTIAL_FOLDER).exists():
        shutil.rmtree(folder)  # a killed run left it half made
    if not (folder / SCENARIO_FILE).is_file():
        if settings.sandbox_scenario is not None:
            raise CspError(f"{folder} holds no {SCENARIO_FILE}; name a folder that `csp-pipeline generate` wrote.")
        on_progress("Making up a partner for the sandbox.")
        generate(folder)
    _copy_terms(folder / "commercial", home)
    _copy_files(folder / "inbox", home)
    return folder


def _copy_files(written: Path, home: Home) -> None:
    """Put what no server tells into the inbox, unless something else is in it."""
    files = {path.name: path for pattern in FILES_ONLY for path in sorted(written.glob(pattern))}
    if any(not path.name.startswith(UNFINISHED) and path.name not in files for path in home.inbox.iterdir()):
        return
    for name, path in files.items():
        if not (home.inbox / name).exists():
            with durable(home.inbox / name) as unfinished:
                shutil.copyfile(path, unfinished)


def _copy_terms(terms: Path, home: Home) -> None:
    """Copy the scenario's commercial terms into an empty folder, all at once."""
    if _has_files(home.commercial) or not terms.is_dir():
        return
    unfinished = home.root / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(terms, unfinished)
    home.commercial.rmdir()
    unfinished.rename(home.commercial)


def _own_scenario(home: Home) -> Path:
    return home.root / "sandbox"


def _has_files(folder: Path) -> bool:
    """Whether anything is in a folder, beside what a killed run left half written."""
    return folder.is_dir() and any(not path.name.startswith(UNFINISHED) for path in folder.iterdir())
