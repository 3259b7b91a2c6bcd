"""Minor units of currencies: how many decimals an amount on a document has (ISO 4217).

The list holds the exceptions; every other currency has two decimals. Locale data (CLDR) is not used for this: it says
how people write amounts, which for the dinar of Serbia or Iraq is not what the standard says they have.
"""

from __future__ import annotations

_EXCEPTIONS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {code: decimals for decimals, codes in _EXCEPTIONS.items() for code in codes.split()}


def minor_unit_decimals(currency: str) -> int:
    """The decimals of a currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _DECIMALS.get(currency, 2)
