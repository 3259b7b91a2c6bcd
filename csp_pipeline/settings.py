"""Settings, read from the environment (`CSP_*`) or a `.env` file when asked for, never at import.

Secrets have no defaults and never appear in a `repr`.
"""

from __future__ import annotations

import re
from datetime import date  # noqa: TC003  (pydantic reads the annotation at run time)
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from csp_pipeline.storage.home import Home

Source = Literal["sandbox", "inbox", "partner-center"]

PARTNER_CENTER_URL = "https://api.partnercenter.microsoft.com"
_PRICING_URL = "https://api.partner.microsoft.com"
_VERSION = re.compile(r"/v1(\.0)?$")


def _pricing_url(settings: dict[str, Any]) -> str:
    """Microsoft's own price service beside its Partner Center; any other server answers for both."""
    partner_center_url = settings.get("partner_center_url", PARTNER_CENTER_URL)
    return _PRICING_URL if partner_center_url == PARTNER_CENTER_URL else str(partner_center_url)


class Settings(BaseSettings):
    """Everything a user may set, as in the README's table of settings."""

    model_config = SettingsConfigDict(
        env_prefix="CSP_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    home_path: Path = Field(default=Path("data"), alias="CSP_HOME")
    source: Source = "sandbox"
    partner_tenant_id: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    partner_center_url: str = PARTNER_CENTER_URL
    pricing_url: str = Field(default_factory=_pricing_url)
    graph_url: str = "https://graph.microsoft.com"
    login_url: str = "https://login.microsoftonline.com"
    reporting_currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    billing_starts_on: date | None = None
    partner_name: str | None = None
    partner_address: str | None = None
    partner_country: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    partner_tax_id: str | None = None
    provisioning: Literal["on", "off"] | None = None
    commercial_url: SecretStr | None = None
    alert_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    alert_forgone_limit_amount: Decimal = Field(default=Decimal(100), ge=0)
    pec_credit_lag_months: int = Field(default=0, ge=0, le=12)
    postgres_url: SecretStr | None = None
    sandbox_scenario: Path | None = None

    @field_validator("partner_center_url", "pricing_url", "graph_url", "login_url")
    @classmethod
    def _host_alone(cls, value: str) -> str:
        """The address without the API's version, which the requests add themselves."""
        return _VERSION.sub("", value.strip().rstrip("/"))

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _split_alert_urls(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in value.replace(",", " ").split() if part)
        return value

    @property
    def is_provisioning_on(self) -> bool:
        """Whether requests are sent: as set, else only to a made-up partner."""
        return self.provisioning == "on" or (self.provisioning is None and self.source == "sandbox")

    @property
    def home(self) -> Home:
        """The folders under CSP_HOME."""
        return Home(self.home_path.expanduser().absolute())
