"""How documents differ from others: by customer, contract line and cause, for the person who approves an issue.

What belongs here: comparing two sets of lines and naming why each amount changed. Which sets are compared is decided by
`steps/issue`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.domain.descriptions import number_text, period_text
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line of a document, issued or not, as comparing needs it; `end` is the first day after its service."""

    account_id: str
    currency: str
    contract_line_id: str
    kind: str
    name: str
    description: str
    start: date
    end: date
    quantity: Decimal | None
    unit_price: Decimal | None
    net_amount: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """Why the amount of a contract line differs.

    Attributes:
        cause: new, ended, quantity, price, period, seats_changed, consumption, discount, correction or other.
        explanation: the cause with its figures, in words.
    """

    account_id: str
    currency: str
    contract_line_id: str
    name: str
    cause: str
    before_amount: Decimal
    amount: Decimal
    explanation: str

    @property
    def difference_amount(self) -> Decimal:
        """After minus before."""
        return self.amount - self.before_amount


_ALONE = {
    "change": ("seats_changed", "changes of quantity"),
    "usage": ("consumption", "consumption"),
    "discount": ("discount", "discounts"),
    "minimum": ("minimum", "minimum spend"),
    "correction": ("correction", "corrections of what was issued"),
    "refund": ("refund", "money back for days that are no longer charged"),
}
_Key = tuple[str, str, str, str]


def changes(before: Iterable[ComparedLine], after: Iterable[ComparedLine]) -> list[Change]:
    """What changed between two sets of lines.

    Args:
        before: lines of the documents compared with.
        after: lines of the documents looked at.

    Returns:
        One change per account, currency, contract line and kind whose amounts differ, the largest of an account first;
        their differences add up to the difference of the sums.
    """
    left, right = _grouped(before), _grouped(after)
    found = [_change(key, left.get(key, []), right.get(key, [])) for key in {**left, **right}]
    return sorted(
        (change for change in found if change.difference_amount),
        key=lambda one: (one.account_id, one.currency, -abs(one.difference_amount), one.contract_line_id, one.cause),
    )


def _grouped(lines: Iterable[ComparedLine]) -> dict[_Key, list[ComparedLine]]:
    groups: defaultdict[_Key, list[ComparedLine]] = defaultdict(list)
    for line in lines:
        groups[line.account_id, line.currency, line.contract_line_id, line.kind].append(line)
    return dict(groups)


def _change(key: _Key, before: list[ComparedLine], after: list[ComparedLine]) -> Change:
    account_id, currency, contract_line_id, kind = key
    cause, explanation = _cause(kind, before, after)
    name = max((after or before), key=lambda line: (line.start, line.name)).name
    return Change(account_id, currency, contract_line_id, name, cause, _sum(before), _sum(after), explanation)


def _cause(kind: str, before: list[ComparedLine], after: list[ComparedLine]) -> tuple[str, str]:
    if kind in _ALONE:
        cause, words = _ALONE[kind]
        return cause, _alone(kind, words, after)
    if not before:
        return "new", f"first charge, {_periods(after)}"
    if not after:
        return "ended", f"not charged any more, before {_periods(before)}"
    causes = []
    if _quantities(before) != _quantities(after):
        causes.append(("quantity", f"quantity {_words(_quantities(before))} to {_words(_quantities(after))}"))
    if _prices(before) != _prices(after):
        causes.append(("price", f"price {_words(_prices(before))} to {_words(_prices(after))}"))
    if _share(before) != _share(after):
        causes.append(("period", f"period {_periods(before)} to {_periods(after)}"))
    if not causes:
        return "other", "another amount for the same quantity, price and length of period"
    return causes[0][0], ", ".join(words for _, words in causes)


def _alone(kind: str, words: str, after: list[ComparedLine]) -> str:
    if kind in {"change", "correction", "refund"} and after:
        more = f" and {len(after) - 1} more" if len(after) > 1 else ""
        return f"{after[0].description}{more}"
    return words if after else f"no {words} this time"


def _quantities(lines: Sequence[ComparedLine]) -> list[Decimal]:
    """The quantity that the latest cycle charges."""
    return [max(lines, key=lambda line: line.start).quantity or ZERO]


def _prices(lines: Sequence[ComparedLine]) -> list[Decimal]:
    return sorted({line.unit_price or ZERO for line in lines})


def _share(lines: Sequence[ComparedLine]) -> list[tuple[int, bool]]:
    """How much service the lines are for: each period's days, a whole calendar month being like any other."""
    return sorted((0, True) if _is_month(line) else ((line.end - line.start).days, False) for line in lines)


def _is_month(line: ComparedLine) -> bool:
    is_next = (line.end.year * 12 + line.end.month) - (line.start.year * 12 + line.start.month) == 1
    return is_next and line.end.day == line.start.day


def _periods(lines: Sequence[ComparedLine]) -> str:
    first, last = min(line.start for line in lines), max(line.end for line in lines)
    return period_text(first, last)


def _words(numbers: Sequence[Decimal]) -> str:
    return " and ".join(map(number_text, numbers))


def _sum(lines: Iterable[ComparedLine]) -> Decimal:
    return sum((line.net_amount for line in lines), ZERO)
