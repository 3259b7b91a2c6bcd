"""What is left to bill: charges derived from the facts, less what stands on issued documents.

What belongs here: putting together what belongs together, and a difference that comes out to the last digit. How days
are compared is `timeline`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

from csp_pipeline.domain.charge import Charge, ChargeKey, ChargeKind, Correction
from csp_pipeline.domain.in_force import DoubleBillingError, in_force, refuse_overlaps
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.timeline import Repair, repair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["BY_AMOUNT", "MAY_OVERLAP", "DoubleBillingError", "deltas"]

BY_AMOUNT: frozenset[ChargeKind] = frozenset({"usage", "discount", "maximum", "minimum"})
"""Kinds without a quantity: they are corrected by the difference, with their own period."""
MAY_OVERLAP: frozenset[ChargeKind] = frozenset({"change"})
"""Kinds of which several may cover a day."""
_UNNAMED: frozenset[ChargeKind] = frozenset({"correction", "refund"})


def deltas(expected: Sequence[Charge], issued: Sequence[Charge], decimals: int | None = None) -> tuple[Charge, ...]:
    """What should be billed minus what was issued.

    Days that were issued at the same price and quantity stay. A changed quantity, price or period takes back the part
    of what was issued that it concerns and charges the new; a changed cost, discount or minimum is one line with the
    difference and the original period; what is no longer expected is taken back.

    Args:
        expected: charges derived from the facts.
        issued: charges on issued documents, corrections included.
        decimals: of the currency's minor unit; None takes them from the amounts as they are written.

    Returns:
        Lines by contract line and kind, reversals before charges. Their sum is the expected sum less the issued one
        (credits by hand aside), to the last digit; nothing when there is no news.

    Raises:
        DoubleBillingError: when the same charge for the same period is expected or was issued twice.
    """
    _refuse_repeated(expected)
    if not issued:
        return tuple(expected)
    groups: dict[tuple[str, ChargeKind], tuple[list[Charge], list[Charge]]] = {}
    for charge in expected:
        groups.setdefault((charge.contract_line_id, charge.kind), ([], []))[0].append(charge)
    for charge in _named(issued):
        groups.setdefault((charge.contract_line_id, charge.kind), ([], []))[1].append(charge)
    lines: list[Charge] = []
    for (_, kind), (wanted, billed) in groups.items():
        if not billed:
            lines += wanted
        elif kind in BY_AMOUNT:
            lines += _differences(wanted, billed)
        elif not _is_settled(wanted, billed):
            lines += _repaired(wanted, billed, kind, _decimals(wanted, billed) if decimals is None else decimals)
    return tuple(lines)


def _refuse_repeated(expected: Iterable[Charge]) -> None:
    seen: set[ChargeKey] = set()
    for charge in expected:
        if charge.key in seen:
            raise DoubleBillingError(charge, "would be charged twice")
        seen.add(charge.key)


def _named(issued: Sequence[Charge]) -> Iterator[Charge]:
    """Issued charges with the kind of what they correct, where their document only calls them correction or refund."""
    if not any(charge.kind in _UNNAMED for charge in issued):
        yield from issued
        return
    originals: defaultdict[str, list[Charge]] = defaultdict(list)
    for charge in issued:
        if charge.kind not in _UNNAMED:
            originals[charge.contract_line_id].append(charge)
    for charge in issued:
        if charge.kind in _UNNAMED:
            kind = _kind_corrected(charge, originals[charge.contract_line_id])
            yield replace(charge, kind=kind, is_correction=True)
        else:
            yield charge


def _kind_corrected(correction: Charge, originals: Iterable[Charge]) -> ChargeKind:
    fallback: ChargeKind = "usage" if correction.quantity is None else "recurring"
    quantity = None if correction.quantity is None else -correction.quantity
    for charge in originals:
        is_same = (charge.quantity, charge.unit_price) == (quantity, correction.unit_price)
        if is_same and charge.start <= correction.start and correction.end <= charge.end:
            return charge.kind
    return fallback


def _differences(expected: Iterable[Charge], issued: Iterable[Charge]) -> Iterator[Charge]:
    """One line per period with the difference of amounts; what was credited by hand stays credited."""
    issued = tuple(issued)
    by_id = {charge.charge_id: charge.key for charge in issued if charge.charge_id and not charge.is_correction}
    billed: dict[ChargeKey, list[Charge]] = {}
    for charge in issued:
        of_key = billed.setdefault(by_id.get(charge.reverses, charge.key), [])
        if not charge.is_correction and any(not other.is_correction for other in of_key):
            raise DoubleBillingError(charge, "was billed twice")
        of_key.append(charge)
    for charge in expected:
        before = billed.pop(charge.key, None)
        if before is None:
            yield charge
        elif difference := _left_to_bill(charge.net_amount, before):
            reason = Correction("cost" if charge.kind == "usage" else "amount", takes_back=False)
            yield replace(charge, net_amount=difference, is_correction=True, correction=reason)
    for before in billed.values():
        if difference := _left_to_bill(ZERO, before):
            yield replace(
                next((charge for charge in reversed(before) if not charge.is_credit_by_hand), before[-1]),
                net_amount=difference,
                is_correction=True,
                correction=Correction("ended"),
                charge_id="",
                reverses=before[0].charge_id,
            )


def _left_to_bill(wanted: Decimal, billed: Sequence[Charge]) -> Decimal:
    """What is missing to an amount beside what was credited by hand, which is never given a second time."""
    by_hand = _total(charge for charge in billed if charge.is_credit_by_hand)
    left = _total(billed)
    difference = EXACT.subtract(wanted, EXACT.subtract(left, by_hand))
    if by_hand < 0 < billed[0].net_amount:
        return max(difference, min(-left, ZERO))
    return difference


def _is_settled(expected: Sequence[Charge], issued: Iterable[Charge]) -> bool:
    """Whether every period has the amount, quantity and price that it should have: by far the most usual case."""
    sums: dict[ChargeKey, tuple[Decimal, Decimal, Decimal | None, int]] = {}
    for charge in issued:
        amount, quantity, price, count = sums.get(charge.key, (ZERO, ZERO, None, 0))
        sums[charge.key] = (
            amount + charge.net_amount,
            quantity + (charge.quantity or ZERO),
            price if charge.is_correction else charge.unit_price,
            count + _count_of(charge),
        )
    for charge in expected:
        found = sums.pop(charge.key, None)
        if found != (charge.net_amount, charge.quantity or ZERO, charge.unit_price, 1):
            return False
    return not any(amount or quantity or count for amount, quantity, _, count in sums.values())


def _count_of(charge: Charge) -> int:
    """How many charges of its period it adds; a correction of the amount alone takes none back."""
    if not charge.is_correction:
        return 1
    return 0 if charge.quantity is None else -1


def _repaired(expected: Sequence[Charge], issued: Sequence[Charge], kind: ChargeKind, decimals: int) -> list[Charge]:
    """The repair of one contract line and kind, with the cents that rounding its shares leaves put on its lines."""
    may_overlap = kind in MAY_OVERLAP
    if not may_overlap:
        refuse_overlaps(sorted(expected, key=attrgetter("start", "end")), "would be charged twice")
    covered = in_force(issued, may_overlap=may_overlap)
    found = repair(expected, covered, decimals)
    by_hand = covered.credit_in_force(decimals)
    wanted = EXACT.subtract(_total(expected), EXACT.add(_total(issued), by_hand))
    rest = EXACT.subtract(wanted, EXACT.subtract(_total(found.lines), found.withheld))
    lines = _with_rest(found, rest, Decimal(1).scaleb(-decimals), expected or issued) if rest else found.lines
    return [line for line in lines if line.net_amount or line.quantity]


def _with_rest(found: Repair, rest: Decimal, unit: Decimal, charges: Sequence[Charge]) -> list[Charge]:
    """Put what rounding left on the lines that are shares, a unit on each; what they do not take is a line of its own.

    Whole charges and reversals are left as they are, so that each period has its own amount.
    """
    step = unit.copy_sign(rest)
    lines: list[Charge] = []
    for line in found.lines:
        if rest and any(line is share for share in found.cut):
            lines.append(replace(line, net_amount=EXACT.add(line.net_amount, step)))
            rest = EXACT.subtract(rest, step)
        else:
            lines.append(line)
    if rest:
        only = replace(
            charges[0],
            start=min(charge.start for charge in charges),
            end=max(charge.end for charge in charges),
            quantity=None,
            unit_price=None,
            net_amount=rest,
            is_correction=True,
            correction=Correction("amount", takes_back=False),
            charge_id="",
            reverses="",
        )
        lines.append(only)
    return lines


def _decimals(expected: Iterable[Charge], issued: Iterable[Charge]) -> int:
    """The decimals of the currency's minor unit, as the amounts are written (issued ones may carry more zeros).

    A round amount (1E+2) has none; nothing is ever rounded to tens.
    """
    exponents = [charge.net_amount.as_tuple().exponent for charge in expected]
    exponents += [charge.net_amount.normalize(EXACT).as_tuple().exponent for charge in issued]
    return max((-exponent for exponent in exponents if isinstance(exponent, int) and exponent < 0), default=0)


def _total(charges: Iterable[Charge]) -> Decimal:
    return _total_of(charge.net_amount for charge in charges)


def _total_of(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
