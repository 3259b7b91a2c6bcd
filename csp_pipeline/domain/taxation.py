"""Who owes the tax: the partner charges it, or an EU business customer in another member state owes it itself.

What belongs here: that decision, from countries and a checked tax id. Whether a tax id is valid is checked by
`formats/tax_ids`; rates and their validity are in `documents`.
"""

from __future__ import annotations

EU_COUNTRIES = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905  (read as a list)
)


def iso_country(country: str) -> str:
    """The ISO 3166-1 code of a country; Greece is EL on VAT numbers and in the rules of the EU."""
    code = country.strip().upper()
    return "GR" if code == "EL" else code


def is_reverse_charged(partner_country: str | None, account_country: str | None, *, has_valid_tax_id: bool) -> bool:
    """Whether the customer accounts for the VAT of services itself (Articles 44 and 196 of Directive 2006/112/EC).

    Args:
        partner_country: ISO 3166-1 alpha-2 of who bills; None when nobody said, and then nothing is reverse charged.
        account_country: of the customer. Greece may be EL in both.
        has_valid_tax_id: the customer's VAT number is one of its country's.
    """
    if partner_country is None or account_country is None:
        return False
    partner, account = iso_country(partner_country), iso_country(account_country)
    return has_valid_tax_id and partner != account and {partner, account} <= EU_COUNTRIES
