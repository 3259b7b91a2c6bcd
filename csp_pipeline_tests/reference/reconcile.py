"""reconciliation.revenue_vs_cost and reconciliation.differences."""

# ruff: noqa: PLR0913, PLR0917 - a rule's inputs are named one by one
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.reference.amounts import ZERO, as_decimal, percent, round_finest
from csp_pipeline_tests.reference.causes import STARRED, ContractMonth, Left, Loaded, Part, find_causes
from csp_pipeline_tests.reference.charges import Charge, Drafting, cost_plus_factor
from csp_pipeline_tests.reference.conversion import Converted, Piece, convert_pieces, piece_rate
from csp_pipeline_tests.reference.cost_plus import cost_to_be_charged, moved_by_rates
from csp_pipeline_tests.reference.days import first_day, last_day, month_of
from csp_pipeline_tests.reference.elsewhere import Other, others_of
from csp_pipeline_tests.reference.expected import SeatLine, seat_lines
from csp_pipeline_tests.reference.recognition import by_day, by_month
from csp_pipeline_tests.reference.seats import SeatHistory, count_once, history_of

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import date

    from csp_pipeline_tests.reference.commercial import Commercial, ContractLine
    from csp_pipeline_tests.reference.costs_to_contracts import Atom, Costs
    from csp_pipeline_tests.reference.documents import Document
    from csp_pipeline_tests.reference.received import Snapshot

Rows = list[dict[str, Any]]
RowKey = tuple[str, str, str, str, str, str, str]
"""Month, account, contract line, customer, subscription, product, SKU ("" where NULL), in the order of ties."""


@dataclass
class Row:
    """One row under construction."""

    month: str
    account_id: str | None
    contract: ContractLine | None
    currency: str
    pieces: list[Piece] = field(default_factory=list)
    charges: list[tuple[Charge, Decimal]] = field(default_factory=list)

    @property
    def atoms(self) -> list[Atom]:
        """The atoms of the row, each once."""
        return list({id(piece.atom): piece.atom for piece in self.pieces}.values())

    @property
    def revenue(self) -> Decimal:
        """Recognised revenue of the month."""
        return sum((part for _, part in self.charges), ZERO)


@dataclass
class Reconciliation:
    """Everything the rows are made of."""

    documents: list[Document]
    costs: Costs
    charges: list[Charge]
    terms: Commercial
    seats: dict[tuple[str, str], SeatHistory]
    snapshots: dict[str, Snapshot]
    drafting: Drafting

    def tables(self) -> tuple[Rows, Rows]:
        """Both tables."""
        rows = self._rows()
        converted = self._convert(rows)
        published: Rows = []
        differences: Rows = []
        for key in sorted(rows):
            record, parts = self._publish(rows[key], key, converted)
            published.append(record)
            differences.extend(self._difference(rows[key], key, part, record) for part in parts)
        return published, differences

    def _rows(self) -> dict[RowKey, Row]:
        rows: dict[RowKey, Row] = {}
        for atom in self.costs.billed:
            contract = atom.contract
            for month, amount in atom.months.items():
                if contract is not None:
                    key = _contract_key(month, contract)
                    row = rows.setdefault(key, Row(month, contract.account_id, contract, contract.currency))
                else:
                    account = self.terms.account_of(atom.line.customer_id, atom.line.reseller_mpn_id)
                    known = self.terms.accounts.get(account or "")
                    currency = atom.line.currency if known is None else known.currency
                    sku = "" if atom.family == "azure_plan" else atom.line.sku_id
                    line = atom.line
                    key = (month, account or "", "", line.customer_id, line.subscription_id, line.product_id, sku)
                    row = rows.setdefault(key, Row(month, account, None, currency))
                row.pieces.extend(self._pieces(atom, month, amount))
        for charge in self.charges:
            for month, part in by_month(charge.net, charge.start, charge.end).items():
                contract = charge.contract
                key = _contract_key(month, contract)
                row = rows.setdefault(key, Row(month, contract.account_id, contract, contract.currency))
                row.charges.append((charge, part))
        return rows

    def _pieces(self, atom: Atom, month: str, amount: Decimal) -> list[Piece]:
        """Unmatched cost is kept apart as credit, as days before billing began, and the rest."""
        if atom.contract is not None:
            return [Piece(atom, month, "", amount)]
        if atom.is_credit:
            return [Piece(atom, month, "credit", amount)]
        starts_on = self.drafting.starts_on
        if last_day(month) < starts_on:
            return [Piece(atom, month, "period", amount)]
        if first_day(month) >= starts_on or atom.start >= starts_on:
            return [Piece(atom, month, "", amount)]
        days = by_day(atom.amount, atom.start, atom.end)
        before = sum((part for day, part in days.items() if month_of(day) == month and day < starts_on), ZERO)
        return [Piece(atom, month, "period", before), Piece(atom, month, "", amount - before)]

    def _convert(self, rows: dict[RowKey, Row]) -> dict[Hashable, Converted]:
        groups: dict[Hashable, tuple[str, str | None, str, list[Piece]]] = {}
        for key, row in rows.items():
            kinds: dict[str, list[Piece]] = defaultdict(list)
            for piece in row.pieces:
                kinds[piece.kind].append(piece)
            for kind, members in kinds.items():
                groups[key, kind] = (row.month, row.account_id, row.currency, members)
        return convert_pieces(self.terms, groups)

    def _loaded(self, row: Row) -> Loaded:
        """Loaded billing months of the providers and in the currency of the contract line's cost, else in any."""
        own: list[Atom] = []
        if row.contract is not None:
            own = self.costs.by_contract.get(row.contract.contract_line_id, [])
        currencies = {atom.line.currency for atom in own}
        providers = {atom.document.provider for atom in own}
        months = sorted(
            document.billing_month
            for document in self.documents
            if not document.is_estimate
            and (document.lines or document.usage)
            and (not currencies or document.currency in currencies)
            and (not providers or document.provider in providers)
        )
        return Loaded(months[0], months[-1]) if months else Loaded("", "")

    def _publish(
        self, row: Row, key: RowKey, converted: dict[Hashable, Converted]
    ) -> tuple[dict[str, Any], list[Part]]:
        kinds = sorted({piece.kind for piece in row.pieces})
        sums = {kind: converted[key, kind] for kind in kinds}
        missing = any(part.amount is None for part in sums.values())
        cost = None if missing else sum((part.amount or ZERO for part in sums.values()), ZERO)
        contract = row.contract
        own = contract is not None and contract.cost_source in ("own", "none")
        seats = self._seat_lines(row)
        billed_quantity, provider_quantity, quantity_difference = self._quantities(row, own=own)
        loaded = self._loaded(row)
        expected = self._expected(row, seats, loaded)
        if contract is None:
            difference = -(cost or ZERO)
            parts = self._unmatched_causes(row, sums, difference, quantity_difference or ZERO)
        else:
            difference = row.revenue - expected
            parts = [] if own else self._causes(row, contract, seats, loaded, difference, quantity_difference or ZERO)
        status, cause = self._status(row, key, parts, own=own, missing=missing)
        rate = max((part for part in sums.values() if part.rate_on), key=lambda part: str(part.rate_on), default=None)
        record = self._identity(row, key) | {
            "selling_price": self._selling_price(contract and contract.at(last_day(row.month)), billed_quantity),
            "provider_price": self._provider_price(contract, seats, last_day(row.month)),
            "billed_quantity": billed_quantity,
            "provider_quantity": provider_quantity,
            "partner_center_quantity": self._partner_center_quantity(key),
            "revenue_amount": row.revenue,
            "cost_amount": cost,
            "revenue_billed_amount": sum((c.net for c, _ in row.charges if month_of(c.start) == row.month), ZERO),
            "cost_billed_amount": self._cost_billed(row),
            "cost_original_amount": sum((piece.amount for piece in row.pieces), ZERO),
            "cost_currency": row.pieces[0].atom.line.currency if row.pieces else None,
            "fx_rate": None if rate is None or rate.rate is None else as_decimal(rate.rate, 18),
            "fx_rate_on": None if rate is None else rate.rate_on,
            "fx_source": None if rate is None else rate.source,
            "margin_amount": None if cost is None else row.revenue - cost,
            "margin_percent": None if cost is None else percent(row.revenue - cost, row.revenue),
            "expected_revenue_amount": expected,
            "difference_amount": difference,
            "quantity_difference": quantity_difference,
            "status": status,
            "cause": cause,
        }
        return record, parts

    def _identity(self, row: Row, key: RowKey) -> dict[str, Any]:
        account = self.terms.accounts.get(row.account_id or "")
        first = row.pieces[0].atom if row.pieces else None
        azure = first is not None and first.family == "azure_plan"
        return {
            "service_month": row.month,
            "account_id": row.account_id,
            "account_name": None if account is None else account.name,
            "customer_id": key[3] or None,
            "subscription_id": key[4] or None,
            "contract_line_id": key[2] or None,
            "product_id": key[5] or None,
            "sku_id": None if azure else key[6] or None,
            "product_name": None if first is None else first.line.product_name or None,
            "product_family": None if first is None else first.family,
            "currency": row.currency,
        }

    def _seat_lines(self, row: Row) -> list[SeatLine]:
        contract = row.contract
        if contract is None or not contract.has_units or contract.cost_source in ("own", "none"):
            return []
        return seat_lines(contract, row.atoms)

    def _quantities(self, row: Row, *, own: bool) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Billed, provider and their difference on the month's last day."""
        day = last_day(row.month)
        counted = [
            atom.line
            for atom in row.atoms
            if atom.start <= day < atom.end and not atom.is_consumption_or_one_time and not atom.is_credit
        ]
        provider = sum((line.quantity for line in count_once(counted)), ZERO) if counted else None
        if row.contract is None:
            if all(atom.is_consumption_or_one_time or atom.is_credit for atom in row.atoms):
                return None, None, None
            return None, provider, -(provider or ZERO)
        covering = [charge for charge, _ in row.charges if charge.start <= day < charge.end]
        units = [charge.quantity for charge in covering if charge.quantity is not None]
        billed = sum(units, ZERO) if units else None
        if own:
            return (None if row.contract.is_one_time else billed), None, None
        consumption = bool(row.atoms) and all(atom.is_consumption_or_one_time for atom in row.atoms)
        if not row.contract.has_units or row.contract.is_one_time or consumption:
            return None, None, None
        if row.contract.is_free_on(day):
            return billed, provider, None
        return billed, provider, (billed or ZERO) - (provider or ZERO)

    def _expected(self, row: Row, seats: list[SeatLine], loaded: Loaded) -> Decimal:
        """Rule 10.3, the first that applies."""
        contract = row.contract
        if contract is None:
            return ZERO
        if contract.cost_source in ("own", "none"):
            return row.revenue
        if not row.pieces and loaded.holds(row.month):
            return ZERO
        if contract.pricing_model == "flat":
            return row.revenue
        agreed = sum((part for charge, part in row.charges if charge.kind in ("discount", "minimum")), ZERO)
        if contract.pricing_model == "cost_plus":
            amount = cost_to_be_charged(self.costs, contract, row.month, self._rate)
            return ZERO if amount is None else round_finest(amount * cost_plus_factor(contract, row.month)) + agreed
        return agreed + sum(
            (part for seat in seats for day, part in seat.recognised.items() if month_of(day) == row.month), ZERO
        )

    def _rate(self, month: str, source: str, target: str) -> Fraction | None:
        found = self.terms.rate(month, source, target)
        return None if found is None else found[0]

    def _causes(
        self,
        row: Row,
        contract: ContractLine,
        seats: list[SeatLine],
        loaded: Loaded,
        difference: Decimal,
        quantity_difference: Decimal,
    ) -> list[Part]:
        return find_causes(
            ContractMonth(
                row.month,
                contract,
                [charge for charge, _ in row.charges if not row.atoms or charge.kind not in ("discount", "minimum")],
                row.atoms,
                seats,
                [a for a in self.costs.by_contract.get(contract.contract_line_id, []) if not a.document.is_estimate],
                history_of(self.seats, contract.customer_id, contract.subscription_id),
                self.snapshots.get(contract.subscription_id),
                loaded,
                self.drafting,
                difference,
                quantity_difference,
                [self._other(cause, other) for cause, other in others_of(contract, self.terms)],
                moved_by_rates(self.costs, contract, row.month, self._rate),
            )
        )

    def _other(self, cause: str, contract: ContractLine) -> Other:
        """Another contract line with all its charges and the provider lines it takes."""
        taken = [a for a in self.costs.by_contract.get(contract.contract_line_id, []) if not a.document.is_estimate]
        charges = [charge for charge in self.charges if charge.contract.contract_line_id == contract.contract_line_id]
        return Other(cause, contract, charges, seat_lines(contract, taken))

    def _unmatched_causes(
        self, row: Row, sums: dict[str, Converted], difference: Decimal, quantity_difference: Decimal
    ) -> list[Part]:
        """Rule 10.6 for cost without a contract line: the tenant, credits, days before billing, unbilled cost."""
        left = Left(difference, quantity_difference)
        if row.account_id is None:
            left.take("unmapped_customer", left.amount, left.quantity)
        for kind in ("credit", "period"):
            if row.account_id is not None and kind in sums:
                whole = kind == "period" and last_day(row.month) < self.drafting.starts_on
                left.take(kind, -(sums[kind].amount or ZERO), left.quantity if whole else ZERO)
        left.take("unbilled_cost", left.amount, left.quantity)
        return left.parts

    def _status(self, row: Row, key: RowKey, parts: list[Part], *, own: bool, missing: bool) -> tuple[str, str | None]:
        """Rule 10.10."""
        if own:
            return "matched", "own_service"
        named = [part for part in parts if part.cause != "rounding"]
        cause = max(named, key=lambda part: (abs(part.amount), abs(part.quantity))).cause if named else None
        if any(part.cause == "unexplained" for part in parts):
            return "unexplained", cause
        open_parts = [p for p in parts if p.cause in STARRED and self._resolution(row, key, p) != "accepted"]
        if open_parts or missing:
            return "action_needed", cause
        return ("explained" if named else "matched"), cause

    def _resolution(self, row: Row, key: RowKey, part: Part) -> str | None:
        for entry in self.terms.resolutions:
            same = (
                entry.get("service_month") == row.month
                and entry.get("account_id", "") == (row.account_id or "")
                and entry.get("subscription_id", "") == key[4]
                and entry.get("cause") == part.cause
            )
            if same and (not entry.get("amount") or Decimal(entry["amount"]) == part.amount):
                return entry.get("decision")
        return None

    def _selling_price(self, contract: ContractLine | None, quantity: Decimal | None) -> Decimal | None:
        if contract is None or contract.pricing_model == "cost_plus":
            return None
        if contract.tiers:
            units = Fraction(quantity or 0)
            return round_finest(contract.price_of(units) / units / contract.months) if units else None
        return round_finest(contract.monthly_price)

    def _provider_price(self, contract: ContractLine | None, seats: list[SeatLine], day: date) -> Decimal | None:
        """Rule 10.2: UnitPrice of the latest-starting line counted x its FX / months of its full cycle."""
        counted = [seat for seat in seats if seat.covers(day) and not seat.atom.is_consumption_or_one_time]
        if contract is None or not counted:
            return None
        latest = max(counted, key=lambda seat: (seat.atom.start, seat.quantity))
        line = latest.atom.line
        if line.unit_price is None:
            return None
        rate = Fraction(line.fx_rate if line.fx_rate is not None else Decimal(1))
        return round_finest(Fraction(line.unit_price) * rate / latest.months)

    def _partner_center_quantity(self, key: RowKey) -> Decimal | None:
        snapshot = self.snapshots.get(key[4]) if key[4] else None
        return None if snapshot is None else snapshot.quantity

    def _cost_billed(self, row: Row) -> Decimal | None:
        """Whole amounts of the lines whose service starts in the month, in the row's currency."""
        total = ZERO
        for atom in row.atoms:
            if month_of(atom.start) == row.month:
                found = piece_rate(self.terms, Piece(atom, row.month, "", atom.amount), row.currency)
                if found is None:
                    return None
                total += round_finest(Fraction(atom.amount) * found[0])
        return total

    def _difference(self, row: Row, key: RowKey, part: Part, record: dict[str, Any]) -> dict[str, Any]:
        return {
            "service_month": row.month,
            "account_id": row.account_id,
            "customer_id": record["customer_id"],
            "subscription_id": record["subscription_id"],
            "contract_line_id": record["contract_line_id"],
            "product_id": record["product_id"],
            "sku_id": record["sku_id"],
            "cause": part.cause,
            "quantity": part.quantity,
            "amount": part.amount,
            "currency": row.currency,
            "expected_on_month": part.expected_on_month,
            "resolution": self._resolution(row, key, part),
        }


def _contract_key(month: str, contract: ContractLine) -> RowKey:
    return (
        month,
        contract.account_id,
        contract.contract_line_id,
        contract.customer_id,
        contract.subscription_id,
        contract.product_id,
        contract.sku_id,
    )
