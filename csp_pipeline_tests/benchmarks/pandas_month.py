"""The yardstick in pandas: what a careful analyst would write for the same month in an afternoon.

Amounts are exact (Arrow decimals under pandas), one blob is in memory at a time, sums are kept per blob and added up.
Run as a process of its own: `python -m … INBOX OUT`; it writes Parquet and `totals.json`.
"""

from __future__ import annotations

import gzip
import json
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
from pyarrow import json as pa_json

EXACT = pa.decimal128(38, 18)
AMOUNTS = (
    "UnitPrice",
    "Quantity",
    "BillingPreTaxTotal",
    "PricingPreTaxTotal",
    "EffectiveUnitPrice",
    "PCToBCExchangeRate",
    "PartnerEarnedCreditPercentage",
    "CreditPercentage",
)
PERCENT, NET = "partnerearnedcreditpercentage", "billingpretaxtotal"
BY_ENTITLEMENT = ["entitlementid", PERCENT]
BY_METER = ["customerid", "productid", "skuid", "meterid", PERCENT]
SUMMED = ["quantity", NET]


def read_blob(path: Path) -> pd.DataFrame:
    """A blob of gzipped JSON lines; numbers as exact decimals, names in lower case."""
    names = [name[:2].lower() + name[2:] if name.startswith("PC") else name[0].lower() + name[1:] for name in AMOUNTS]
    options = pa_json.ParseOptions(explicit_schema=pa.schema([(name, EXACT) for name in names]))
    with gzip.open(path) as lines:
        table = pa_json.read_json(lines, pa_json.ReadOptions(block_size=8 << 20), options)
    return table.to_pandas(types_mapper=pd.ArrowDtype).rename(columns=str.lower)


def read_csv(path: Path) -> pd.DataFrame:
    """A gzipped CSV; text first, then numbers as exact decimals, names in lower case."""
    frame = pd.read_csv(path, engine="pyarrow", dtype=pd.ArrowDtype(pa.string()), keep_default_na=False)
    for name in AMOUNTS:
        frame[name] = frame[name].replace("", None).astype(pd.ArrowDtype(EXACT))
    return frame.rename(columns=str.lower)


def summed(frames: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Sums over blobs: the sums of each blob, added up, with the earned credit that the net amounts contain."""
    total = pd.concat(frames).groupby(keys, dropna=False, as_index=False)[SUMMED].sum()
    percents = [Decimal(0) if pd.isna(percent) else percent for percent in total[PERCENT]]
    total["earned"] = [net * percent / (100 - percent) for net, percent in zip(total[NET], percents, strict=True)]
    return total


def main(inbox: Path, out: Path) -> None:
    """Read every usage file, write its rows and the two tables of sums as Parquet, and the totals."""
    out.mkdir(parents=True)
    by_entitlement, by_meter, rows = [], [], 0
    for path in sorted(inbox.glob("*dailyratedusage*")):
        frame = read_blob(path) if path.suffixes[-2] == ".json" else read_csv(path)
        frame.to_parquet(out / f"{path.name}.parquet", compression="zstd", index=False)
        rows += len(frame)
        by_entitlement.append(frame.groupby(BY_ENTITLEMENT, dropna=False, as_index=False)[SUMMED].sum())
        by_meter.append(frame.groupby(BY_METER, dropna=False, as_index=False)[SUMMED].sum())
    costs = summed(by_entitlement, BY_ENTITLEMENT)
    costs.to_parquet(out / "azure_plan_costs.parquet", index=False)
    summed(by_meter, BY_METER).to_parquet(out / "usage_by_meter.parquet", index=False)
    totals = {"rows": rows, "net": f"{costs[NET].sum():f}"}
    (out / "totals.json").write_text(json.dumps(totals), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
