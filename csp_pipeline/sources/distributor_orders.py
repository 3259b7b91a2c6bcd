"""A distributor as a target: an order file goes out, a confirmation file comes back.

What belongs here: both files. `orders/sent/<reference>.csv` is written once a request, under the id of its sending, so
that writing it again changes nothing; files of any name in `orders/confirmed/` answer by that reference: columns
order_reference, status (confirmed, rejected or pending), and, where known, quantity, code, message.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import ChangeRequest, Finding
from csp_pipeline.errors import InputFileError
from csp_pipeline.sources.provisioning_targets import Seen
from csp_pipeline.storage.durable import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COLUMNS = (
    "order_reference",
    "request_id",
    "requested_at",
    "operation",
    "account_id",
    "customer_id",
    "subscription_id",
    "product_id",
    "sku_id",
    "quantity",
)
NEEDED = ("order_reference", "status")
_OUTCOMES = {"confirmed": "succeeded", "rejected": "failed", "pending": "pending"}


class DistributorOrders:
    """Orders as files.

    Args:
        folder: `home.orders`.
    """

    name = "distributor"

    def __init__(self, folder: Path) -> None:
        self._sent, self._confirmed = folder / "sent", folder / "confirmed"

    def look(self, request: ChangeRequest) -> Seen:  # noqa: ARG002  (a distributor is not asked)
        """Nothing is told before the confirmation."""
        return Seen()

    def send(self, request: ChangeRequest, request_id: str) -> Finding:
        """Write the order file, whole or not at all."""
        row = {
            "order_reference": request_id,
            "request_id": request.request_id,
            "requested_at": request.requested_at.isoformat() if request.requested_at else "",
            "operation": request.operation,
            "quantity": request.quantity,
            **{name: getattr(request, name) or "" for name in ("account_id", "customer_id", "subscription_id")},
            **{name: getattr(request, name) or "" for name in ("product_id", "sku_id")},
        }
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
        write_text(self._path(request_id), text.getvalue())
        return self._answer(request, request_id)

    def ask(self, request: ChangeRequest, intent: Mapping[str, Any]) -> Finding:
        """What the confirmations say; an order whose file was never written did not go out."""
        request_id = str(intent["provider_request_id"])
        return self._answer(request, request_id) if self._path(request_id).is_file() else Finding("absent", self.name)

    def _answer(self, request: ChangeRequest, request_id: str) -> Finding:
        for row in self._rows():
            if row["order_reference"] == request_id:
                return self._finding(request, row)
        return Finding(
            "pending", self.name, f"The order stands in {self._path(request_id).name}; no confirmation has come yet."
        )

    def _finding(self, request: ChangeRequest, row: Mapping[str, str]) -> Finding:
        outcome = _OUTCOMES.get(row["status"].lower())
        if outcome is None:
            return Finding("pending", self.name, f"The confirmation says {row['status']!r}, which is not understood.")
        quantity = row.get("quantity", "")
        return Finding(
            outcome,  # type: ignore[arg-type]
            self.name,
            row.get("message") or f"The distributor says: {row['status']}.",
            row.get("code") or ("rejected" if outcome == "failed" else ""),
            "business_rule" if outcome == "failed" else None,
            int(quantity) if quantity.isdecimal() else (request.quantity if outcome == "succeeded" else None),
            advice="Settle it with the distributor, then release or cancel the request." if outcome == "failed" else "",
        )

    def _rows(self) -> Iterator[dict[str, str]]:
        """The rows of every confirmation, the latest file first.

        Raises:
            InputFileError: a file lacks a column that is needed.
        """
        found = self._confirmed.glob("*.csv") if self._confirmed.is_dir() else []
        for path in sorted(found, key=lambda one: (one.stat().st_mtime_ns, one.name), reverse=True):
            with path.open(encoding="utf-8-sig", newline="") as lines:
                reader = csv.DictReader(lines)
                lacking = [name for name in NEEDED if name not in (reader.fieldnames or [])]
                if lacking:
                    raise InputFileError(
                        f"{path}: a confirmation needs the columns {', '.join(NEEDED)}, and {', '.join(lacking)} is "
                        "not there; correct the file."
                    )
                for row in reader:
                    yield {name: (value or "").strip() for name, value in row.items() if name}

    def _path(self, request_id: str) -> Path:
        return self._sent / f"{request_id}.csv"
