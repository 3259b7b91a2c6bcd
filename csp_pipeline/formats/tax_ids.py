"""Tax identification numbers: whether a number is one of its country's, by the check digits that the country publishes.

What belongs here: asking python-stdnum. What follows for the tax of a document is in `domain/taxation`.
"""

from __future__ import annotations

from typing import Literal

from csp_pipeline.domain.taxation import iso_country

TaxIdState = Literal["valid", "invalid", "unchecked"]


def tax_id_state(tax_id: str | None, country_code: str | None) -> TaxIdState:
    """Check a tax id against its country's rules.

    Args:
        tax_id: with or without the country's prefix, spaces and dots as people write them.
        country_code: ISO 3166-1 alpha-2 of the account, or EL.

    Returns:
        `unchecked` when there is no number, no country, or no rule for the numbers of that country.
    """
    from stdnum import get_cc_module  # noqa: PLC0415  (loads one module per country)
    from stdnum.exceptions import ValidationError  # noqa: PLC0415

    if not tax_id or not country_code:
        return "unchecked"
    module = get_cc_module(iso_country(country_code).lower(), "vat")
    if module is None:
        return "unchecked"
    try:
        module.validate(tax_id)
    except ValidationError:
        return "invalid"
    return "valid"
