"""Settings: the addresses that follow from each other, and secrets that stay hidden."""

from __future__ import annotations

import pytest

from csp_pipeline.settings import Settings


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


def test_prices_come_from_microsoft_s_own_service() -> None:
    assert settings().pricing_url == "https://api.partner.microsoft.com"


def test_prices_come_from_the_same_server_as_everything_else_of_a_sandbox() -> None:
    assert settings(partner_center_url="http://127.0.0.1:8080/").pricing_url == "http://127.0.0.1:8080"


def test_a_price_service_that_is_set_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSP_PRICING_URL", "https://prices.example/v1.0/")
    assert settings().pricing_url == "https://prices.example"


@pytest.mark.parametrize("value", ["https://api.example", "https://api.example/", "https://api.example/v1"])
def test_an_address_is_that_of_the_host_whether_or_not_the_version_is_given(value: str) -> None:
    assert settings(partner_center_url=value).partner_center_url == "https://api.example"


def test_no_secret_is_shown() -> None:
    shown = settings(client_secret="hunter2", refresh_token="hunter3")  # noqa: S106  (made up)
    assert "hunter" not in repr(shown) + str(shown) + shown.model_dump_json()
