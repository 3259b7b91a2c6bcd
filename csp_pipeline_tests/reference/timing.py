"""Changes that we charge already and that no loaded document of the provider has yet (rule 10.8)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, round_finest
from csp_pipeline_tests.reference.days import each_day, month_of, next_month
from csp_pipeline_tests.reference.expected import days_of
from csp_pipeline_tests.reference.seats import is_carried

if TYPE_CHECKING:
    from decimal import Decimal

    from csp_pipeline_tests.reference.causes import ContractMonth, Left
    from csp_pipeline_tests.reference.charges import Charge
    from csp_pipeline_tests.reference.received import Change


def timing(row: ContractMonth, left: Left, *, is_compared: bool) -> dict[int, Charge | None]:
    """Rule 10.8: changes in the log after the start of the provider's last line that no loaded line carries.

    Our lines for them are their own and, in the cycles after, their share of the recurring ones. Returns what is left
    of each such charge, by the id of the object; None of those that are all theirs.
    """
    is_over = row.contract.ends_on is not None and row.contract.ends_on < row.last_day
    if row.history is None or left.quantity == 0 or row.contract.proration == "none" or is_over:
        return {}
    lines = [atom.line for atom in row.all_atoms if not atom.is_credit]
    last_start = max((line.charge_start_on for line in lines if line.charge_start_on is not None), default=None)
    pending = [
        change
        for change in row.history.changes
        if change.source != "recon"
        and change.changed_at.date() <= row.last_day
        and (last_start is None or change.changed_at.date() > last_start)
        and not is_carried(change, lines)
        and row.loaded.last < _expected_month(change)
        and row.contract.is_in_force(change.changed_at.date(), change.changed_at.date())
    ]
    taken: dict[int, Charge | None] = {}
    for chosen in (pending[index:] for index in range(len(pending))):
        quantity = sum((change.after - change.before for change in chosen), ZERO)
        if quantity != 0 and (quantity > 0) == (left.quantity > 0) and abs(quantity) <= abs(left.quantity):
            by_month: dict[str, list[Change]] = {}
            for change in chosen:
                by_month.setdefault(_expected_month(change), []).append(change)
            for month, changes in sorted(by_month.items()):
                change_days = {change.changed_at.date() for change in changes}
                lines_of_month = [c for c in row.charges if c.kind == "change" and c.start in change_days]
                taken |= dict.fromkeys(map(id, lines_of_month))
                amount = sum((e.billed_recognised for e in days_of(row.month, lines_of_month, [], []).values()), ZERO)
                for charge in row.charges:
                    added = sum((c.after - c.before for c in changes if c.changed_at.date() < charge.start), ZERO)
                    if charge.kind == "recurring" and added and is_compared and not row.contract.tiers:
                        share = _share_of(taken.get(id(charge)) or charge, added)
                        taken[id(charge)] = _less(taken.get(id(charge)) or charge, share)
                        amount += round_finest(share.exact * _days_in(share, row.month) / share.days)
                left.take("timing", amount, sum((c.after - c.before for c in changes), ZERO), month)
            break
    return taken


def _share_of(charge: Charge, units: Decimal) -> Charge:
    """So many units of a charge."""
    exact = charge.exact * Fraction(units) / Fraction(charge.quantity or 1)
    return replace(charge, quantity=units, exact=exact, net=round_finest(exact))


def _less(charge: Charge, share: Charge) -> Charge:
    """A charge without some of its units."""
    quantity = (charge.quantity or ZERO) - (share.quantity or ZERO)
    return replace(charge, quantity=quantity, exact=charge.exact - share.exact, net=charge.net - share.net)


def _days_in(charge: Charge, month: str) -> int:
    """Days of a charge in a month."""
    return sum(month_of(day) == month for day in each_day(charge.start, charge.end))


def _expected_month(change: Change) -> str:
    """The calendar month after the change's."""
    return next_month(month_of(change.changed_at.date()))
