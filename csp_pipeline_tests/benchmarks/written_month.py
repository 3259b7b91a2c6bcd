"""Write the month that is measured: a made-up partner with one invoice and many daily rated usage rows.

The facts and formats are those of `csp_pipeline.sandbox`; here it is only chosen that all rows belong to one month and
one currency and which wire form they have. Run as a process of its own: `python -m … FOLDER ROWS FORMAT`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import commercial, partner_center
from csp_pipeline.sandbox.documents import plan_documents, write_document
from csp_pipeline.sandbox.headers import invoice_headers
from csp_pipeline.sandbox.scenario import Scenario, build
from csp_pipeline.sandbox.seats import change_log, provider_lines
from csp_pipeline.sandbox.wire import FORMS

if TYPE_CHECKING:
    from csp_pipeline.sandbox.facts import ReconLine

MONTH, CURRENCY, CUSTOMERS, SEED = "2026-09", "EUR", 40, 20
WIRE_FORMS = {"jsonl": "graph", "csv": "portal-gzip"}


def write_month(folder: Path, rows: int, file_format: str) -> None:
    """Write `inbox/` and `commercial/` for one month.

    Args:
        folder: gets the two folders.
        rows: daily usage rows; the same number gives the same bytes.
        file_format: `jsonl`, blobs of gzipped JSON lines in API names; `csv`, one gzipped CSV in portal names.
    """
    form = next(form for form in FORMS if form.name == WIRE_FORMS[file_format])
    for name in ("inbox", "commercial"):
        (folder / name).mkdir(parents=True)
    scenario = build(CUSTOMERS, rows, (MONTH, MONTH), (CURRENCY,), SEED)
    lines = [*_seat_lines(scenario), *scenario.extra_lines]
    changes = [change for seats in scenario.seats for change in change_log(seats, scenario.months, scenario.source)]
    documents = plan_documents(scenario)
    for document in documents:
        document.form = form
        write_document(scenario, document, lines, folder / "inbox")
    partner_center.write_all(scenario, invoice_headers(documents, ()), changes, folder / "inbox")
    commercial.write_all(scenario, changes, folder / "commercial")


def _seat_lines(scenario: Scenario) -> list[ReconLine]:
    lines: list[ReconLine] = []
    for seats in scenario.seats:
        rate = partial(scenario.fx, seats.customer.currency)
        lines += provider_lines(seats, scenario.months, rate, scenario.source)
    return lines


if __name__ == "__main__":
    write_month(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
