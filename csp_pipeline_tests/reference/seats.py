"""Quantity of a subscription on an instant."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO
from csp_pipeline_tests.reference.days import ONE_DAY, anchored, each_month, midnight, month_of, next_month
from csp_pipeline_tests.reference.documents import SEAT_EVENTS, Document, is_credit
from csp_pipeline_tests.reference.received import Change, CostLine, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from decimal import Decimal


@dataclass(frozen=True)
class SeatHistory:
    """The changes of one subscription in order, and what is known without them.

    ``silent`` are days after the last day of a line from which a loaded document shows that nothing was charged on.
    """

    changes: tuple[Change, ...]
    snapshot: Decimal | None
    lines: tuple[CostLine, ...]
    silent: tuple[date, ...] = ()

    def _quantity(self, moment: datetime, *, inclusive: bool) -> Decimal:
        if self.changes:
            quantity = self.changes[0].before
            for change in self.changes:
                if change.changed_at < moment or (inclusive and change.changed_at == moment):
                    quantity = change.after
            return quantity
        if self.snapshot is not None:
            return self.snapshot
        return self._from_lines(moment.date() if inclusive else moment.date() - ONE_DAY)

    def _from_lines(self, day: date) -> Decimal:
        dated = [line for line in self.lines if line.charge_start_on is not None]
        if not dated:
            return ZERO
        starts = sorted({line.charge_start_on for line in dated if line.charge_start_on is not None})
        anchor = max((start for start in starts if start <= day), default=starts[0])
        shown = max(day, anchor)
        covering = [line for line in dated if line.charge_start_on <= shown <= (line.charge_end_on or shown)]  # type: ignore[operator]
        if not covering and any(anchor < gone <= day for gone in self.silent):
            return ZERO
        if not covering:
            covering = [line for line in dated if line.charge_start_on == anchor]
        return sum((line.quantity for line in count_once(covering)), ZERO)

    def at(self, moment: datetime) -> Decimal:
        """Quantity after the last change before or at the instant."""
        return self._quantity(moment, inclusive=True)

    def end_of(self, day: date) -> Decimal:
        """Quantity when the UTC day is over; a change at the next midnight belongs to the next day."""
        return self._quantity(midnight(day + ONE_DAY), inclusive=False)

    def change_days(self, start: date, end: date) -> list[tuple[date, Decimal, Decimal]]:
        """Days of the half-open period with a net change: (day, quantity before, quantity after).

        The quantity at the very start of the period is the recurring one; a change at that instant is in it already.
        """
        dates = {change.changed_at.date() for change in self.changes}
        if not self.changes and self.snapshot is None:
            dates = {line.charge_start_on for line in self.lines if line.charge_start_on is not None} | {*self.silent}
        days = sorted(date for date in dates if start <= date < end)
        result = []
        for day in days:
            before = self.at(midnight(day)) if day == start else self.end_of(day - ONE_DAY)
            after = self.end_of(day)
            if before != after:
                result.append((day, before, after))
        return result


def count_once(lines: Iterable[CostLine]) -> list[CostLine]:
    """Rule 10.2: lines equal in subscription, period, charge type and quantity that differ only in product or SKU."""
    groups: dict[tuple[object, ...], dict[tuple[str, str], list[CostLine]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        key = (
            line.invoice_number,
            line.customer_id,
            line.subscription_id,
            line.charge_start_on,
            line.charge_end_on,
            line.charge_type.casefold(),
            line.quantity,
        )
        groups[key][line.product_id, line.sku_id].append(line)
    counted: list[CostLine] = []
    for products in groups.values():
        best = min(products, key=lambda product: (-len(products[product]), product))
        counted.extend(products[best])
    return counted


def recon_changes(documents: Iterable[Document]) -> list[Change]:
    """Rule 8: a negative line with the old total and a positive line with the new one are one change."""
    pairs: dict[tuple[object, ...], list[CostLine]] = defaultdict(list)
    for document in documents:
        if document.state in ("voided", "derived") or document.is_estimate:
            continue
        for line in document.lines:
            if line.charge_type.casefold() in SEAT_EVENTS and not is_credit(line) and line.charge_start_on is not None:
                pairs[
                    line.customer_id,
                    line.subscription_id,
                    line.charge_start_on,
                    line.charge_end_on,
                    line.product_id,
                    line.sku_id,
                    line.reference_id,
                ].append(line)
    changes: list[Change] = []
    for members in pairs.values():
        old = [line for line in members if line.quantity < 0]
        new = [line for line in members if line.quantity > 0]
        if len(old) == 1 and len(new) == 1 and -old[0].quantity != new[0].quantity:
            start = new[0].charge_start_on
            assert start is not None
            name = f"recon {new[0].source_file} {new[0].source_row}"
            changes.append(
                Change(
                    name,
                    new[0].customer_id,
                    new[0].subscription_id,
                    midnight(start),
                    -old[0].quantity,
                    new[0].quantity,
                    "recon",
                )
            )
    return changes


def is_carried(change: Change, lines: Iterable[CostLine]) -> bool:
    """Whether a loaded line of the subscription shows the change: same day, its old or its new total."""
    day = change.changed_at.date()
    return any(
        line.charge_start_on == day
        and (line.quantity == change.after if change.after > 0 else line.quantity == -change.before)
        for line in lines
    )


def histories(
    changes: list[Change], snapshots: list[Snapshot], documents: list[Document]
) -> dict[tuple[str, str], SeatHistory]:
    """The history of each (customer, subscription); equal changes of one UTC day count once, the inbox wins."""
    merged: dict[tuple[str, str], dict[tuple[date, Decimal, Decimal], Change]] = defaultdict(dict)
    for change in [*changes, *recon_changes(documents)]:
        key = (change.changed_at.date(), change.before, change.after)
        merged[change.customer_id, change.subscription_id].setdefault(key, change)
    now = {(snapshot.customer_id, snapshot.subscription_id): snapshot.quantity for snapshot in snapshots}
    lines: dict[tuple[str, str], list[CostLine]] = defaultdict(list)
    silent: dict[tuple[str, str], set[date]] = defaultdict(set)
    billed = [document for document in documents if not document.is_estimate]
    loaded: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for document in billed:
        for line in [line for line in document.lines if not is_credit(line)]:
            loaded[document.provider, document.currency, line.kind].add(document.billing_month)
    for document in billed:
        for line in [line for line in document.lines if not is_credit(line)]:
            lines[line.customer_id, line.subscription_id].append(line)
            gone = _known_gone(line, document, loaded[document.provider, document.currency, line.kind])
            if gone is not None:
                silent[line.customer_id, line.subscription_id].add(gone)
    return {
        key: SeatHistory(
            tuple(sorted(merged.get(key, {}).values(), key=lambda c: (c.changed_at, c.source != "recon", c.change_id))),
            now.get(key),
            tuple(lines.get(key, [])),
            tuple(sorted(silent.get(key, ()))),
        )
        for key in set(merged) | set(now) | set(lines)
    }


def _known_gone(line: CostLine, document: Document, loaded: set[str]) -> date | None:
    """The day from which a document that is there, and could have charged the seats on, shows that none did.

    A renewal stands in a document after the line's own, of the month in which it starts or later. Of months without one
    nothing is known: the day falls as much later as the first document that is there.
    """
    start, end = line.charge_start_on, line.charge_end_on
    if start is None or end is None or end <= start:
        return None
    after = end + ONE_DAY
    due = max(month_of(after), next_month(document.billing_month))
    told = min((month for month in loaded if month >= due), default=None)
    if told is None:
        return None
    missing = len(list(each_month(due, told))) - 1
    return anchored(after, missing, after.day)


def history_of(seats: dict[tuple[str, str], SeatHistory], customer_id: str, subscription_id: str) -> SeatHistory | None:
    """The history of a subscription; a contract line without customer names it by its id alone."""
    if not subscription_id:
        return None
    if customer_id:
        return seats.get((customer_id, subscription_id))
    return next(
        (history for key, history in sorted(seats.items(), key=lambda e: e[0]) if key[1] == subscription_id), None
    )
