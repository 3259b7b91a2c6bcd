"""The provider's sheet of exchange rates: US dollars for one unit of a currency, by month.

It runs against the direction of `PCToBCExchangeRate` on a line and is not proven to equal it: a line's own rate counts.
"""

from __future__ import annotations

from csp_pipeline.formats.columns import WireFormat, currency, number, text

FORMAT = WireFormat(
    kind="fx_rates",
    title="sheet of exchange rates",
    signature=(("CurrencyCode",), ("USDPerUnit",), ("Month",)),
    columns=(
        currency("currency_code", "CurrencyCode", required=True),
        number("usd_per_unit", "USDPerUnit", unit="USD per currency_code", required=True),
        text("month", "Month", required=True),
    ),
)
