"""The safety bound of issuing: no day of a contract line is charged, or taken back, twice on issued documents.

What belongs here: a draft and the ledger put together and looked at as they would stand, without a question to what
the draft was derived from. How a draft is derived is `deltas`; what follows from a refusal is `issuing`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from csp_pipeline.domain.deltas import BY_AMOUNT, MAY_OVERLAP
from csp_pipeline.domain.in_force import DoubleBillingError, InForce, Part, in_force, terms_of
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.domain.charge import Charge, ChargeKey, ChargeKind
    from csp_pipeline.domain.documents import DraftLine
    from csp_pipeline.domain.issued import Issued


def charged_twice(lines: Iterable[DraftLine], issued: Issued) -> Charge | None:
    """The first charge that a draft would bill, or take back, twice; None when there is none.

    What was charged is looked at with what was taken back, and with the draft's own lines, by account, currency,
    contract line and kind: so a charge may be corrected as often as its facts change, but no day is in force twice.

    Args:
        lines: of a draft.
        issued: everything issued; what stands on documents of other accounts or in other currencies does not count.
    """
    drafted: defaultdict[tuple[str, str, str, ChargeKind], list[DraftLine]] = defaultdict(list)
    for line in lines:
        drafted[line.account_id, line.currency, line.contract_line_id, line.charge.kind].append(line)
    for (account_id, currency, contract_line_id, kind), found in drafted.items():
        billed = [
            line.charge
            for document, line in issued.lines_by_contract.get(contract_line_id, ())
            if (document.account_id, document.currency) == (account_id, currency) and line.charge.kind == kind
        ]
        fresh = [line.charge for line in found]
        charges = [*billed, *fresh]
        twice = _period_twice(charges) if kind in BY_AMOUNT else _days_twice(charges, fresh, found[0].decimals)
        if twice is not None:
            return twice
    return None


def _period_twice(charges: Iterable[Charge]) -> Charge | None:
    """Of charges without a quantity: a period charged again instead of corrected, or days in two periods that count."""
    totals: defaultdict[ChargeKey, Decimal] = defaultdict(lambda: ZERO)
    periods: dict[ChargeKey, Charge] = {}
    for charge in charges:
        totals[charge.key] += charge.net_amount
        if not charge.is_correction and charge.key in periods:
            return charge
        if not charge.is_correction:
            periods[charge.key] = charge
    standing = sorted((periods[key] for key in periods if totals[key]), key=attrgetter("start", "end"))
    return next((later for earlier, later in pairwise(standing) if later.start < earlier.end), None)


def _days_twice(charges: Sequence[Charge], fresh: Sequence[Charge], decimals: int) -> Charge | None:
    """Of charges with a quantity: a charge taken back twice, or days that a draft charges and that are charged."""
    try:
        covered = in_force(charges, may_overlap=True)
    except DoubleBillingError as refusal:
        return refusal.charge
    if fresh[0].kind in MAY_OVERLAP:
        return _change_twice(covered.parts)
    return next((one for one in fresh if not one.is_correction and _is_twice(one, charges, covered, decimals)), None)


def _change_twice(parts: Sequence[Part]) -> Charge | None:
    """A change of a quantity that is in force twice.

    Changes share days, so only the same change counts: the same days on the same terms, unless one of the two goes on
    where a part on those terms ends, as it does when days that were taken back are charged again.
    """
    seen = Counter((part.charge.key, part.start, part.end, terms_of(part.charge)) for part in parts)
    ends = Counter((part.end, terms_of(part.charge)) for part in parts)
    for part in parts:
        terms = terms_of(part.charge)
        if seen[part.charge.key, part.start, part.end, terms] > 1 + ends[part.start, terms]:
            return part.charge
    return None


def _is_twice(charge: Charge, charges: Iterable[Charge], covered: InForce, decimals: int) -> bool:
    """Whether a day of a charge bears more units than it says, or all its days a larger amount.

    What was taken back counts; so does what was credited by hand, which may leave less.

    Args:
        charge: of the draft.
        charges: issued and drafted.
        covered: what they still cover.
        decimals: of the currency's minor unit.
    """
    there = [one for one in charges if one.start < charge.end and charge.start < one.end]
    own = charge.quantity or ZERO
    marks = sorted({min(max(day, charge.start), charge.end) for one in there for day in (one.start, one.end)})
    for start, end in pairwise(marks):
        units = (one.quantity for one in there if one.quantity is not None and one.start <= start and end <= one.end)
        if (sum(units, ZERO) - own) * own > 0:
            return True
    total = sum((_standing(name, covered, charge) for name in covered.amounts), Fraction(0))
    for one in there:
        if one.charge_id not in covered.amounts and one.reverses not in covered.amounts:
            total += _common_part(one, one.start, one.end, charge).amount
    more = total - Fraction(charge.net_amount)
    # each line is rounded once, and may have taken a unit that another left
    return more * Fraction(charge.net_amount) > 0 and abs(more) > Fraction(2 * len(there), 10**decimals)


def _standing(name: str, covered: InForce, charge: Charge) -> Fraction:
    """What bears on the days of a charge of an issued one on which something was credited by hand.

    A reversal gives back less where the credit gave it before, so the days in force count, with what stands of the
    issued charge beyond its days in force.
    """
    parts = [part for part in covered.parts if part.charge.charge_id == name]
    beyond = Fraction(covered.amounts[name] - covered.given[name]) - sum((part.amount for part in parts), Fraction(0))
    common = (_common_part(part.charge, part.start, part.end, charge) for part in parts)
    return max(beyond, Fraction(0)) + sum((part.amount for part in common if part.start < part.end), Fraction(0))


def _common_part(one: Charge, start: date, end: date, charge: Charge) -> Part:
    return Part(one, max(start, charge.start), min(end, charge.end))
