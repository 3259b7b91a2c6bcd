"""Kill Bill's vectors of its invoice tree: what of issued items is still in force, and what repairs them.

What belongs here: items as charges and back. Kill Bill keeps days of the same plan, phase and rate whatever their
amount is; the product then settles what rounding or another amount leaves (`deltas`), so the vectors are run through
the part that compares days (`timeline`).
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import ONE_DAY, month_of
from csp_pipeline.domain.charges import Charge, DoubleBillingError, deltas
from csp_pipeline.domain.in_force import Part, in_force, refuse_overlaps, rounded
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.timeline import repair
from csp_pipeline_tests.conformance.outcomes import Fields, NotSupportedError, Vector, Verdict, compare

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

CENTS = 2
ONE = Decimal(1)
COMPARED = {
    "RECURRING": ("type", "start", "end", "amount", "rate"),
    "REPAIR_ADJ": ("type", "start", "end", "amount"),
    "FIXED": ("type", "start", "amount"),
}
"""Of an item by its type; the issued item it is linked to is a name, not always the one that the test means."""
TYPES = {"RECURRING", "FIXED", "REPAIR_ADJ", "ITEM_ADJ"}

Item = dict[str, Any]


def check_repair(vector: Vector) -> Verdict:
    """What is left to bill after what was issued (merge), or what of it is still in force (consolidate)."""
    given = vector.input
    wants_error = isinstance(vector.expected, dict) and "error" in vector.expected
    expected = vector.expected.get("items", ()) if isinstance(vector.expected, dict) else vector.expected
    tree = _Tree(given.get("existing") or ())
    try:
        if given.get("mode", "merge") == "consolidate":
            got = tree.net_view(is_reversed=_asks_for_reversal(expected))
        else:
            got = tree.merged(given.get("proposed") or ())
    except DoubleBillingError as refusal:
        return Verdict({"error": str(refusal)}, () if wants_error else ("refused",))
    if wants_error:
        return Verdict({"items": got}, ("error",))
    wanted = [{name: item[name] for name in COMPARED[item["type"]] if name in item} for item in expected]
    verdict = compare({"items": _sorted(wanted)}, {"items": _sorted(got)})
    return Verdict(got, verdict.differs)


def _asks_for_reversal(expected: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the source looks at the tree turned round: as what would be taken back if nothing were proposed."""
    return bool(expected) and all(item["type"] == "REPAIR_ADJ" for item in expected)


class _Tree:
    """Issued items as charges of one contract line; the terms of each are its plan, phase and rate."""

    def __init__(self, existing: Iterable[Mapping[str, Any]]) -> None:
        self._terms: dict[str, Hashable] = {}
        self._free: Counter[Hashable] = Counter()
        items = [Fields(item) for item in existing]
        names = {f"existing[{number}]": item for number, item in enumerate(items)}
        self._once = [_once(item) for item in items if item["type"] == "FIXED"]
        self._issued = [
            self._charge(name, item, names)
            for name, item in names.items()
            if item["type"] != "FIXED" and not self._is_without_amount(item, names)
        ]

    def _is_without_amount(self, item: Fields, names: Mapping[str, Fields]) -> bool:
        """A charge of nothing has nothing to take back, nor has what adjusts it or a fixed price."""
        if item["type"] not in TYPES:
            raise NotSupportedError(f"items of the type {item['type']} are not known")
        if item["type"] == "RECURRING":
            if not item.number("amount"):
                self._free[_item_key(item)] += 1
                return True
            return False
        linked = names.get(str(item.get("linked_item")))
        return linked is not None and (linked["type"] == "FIXED" or not linked.number("amount"))

    def _charge(self, name: str, item: Fields, names: Mapping[str, Fields]) -> Charge:
        if item["type"] == "RECURRING":
            return self.recurring(name, item)
        is_repair = item["type"] == "REPAIR_ADJ"
        linked = names.get(str(item.get("linked_item")))
        start = item.day("start")
        return Charge(
            "subscription",
            "recurring",
            start,
            item.day("end") if item.get("end") else start + ONE_DAY,
            -ONE if is_repair else None,
            _rate(linked or item),
            item.number("amount"),
            month_of(start),
            is_correction=True,
            reverses=str(item.get("linked_item") or ("nothing" if is_repair else "")),
        )

    def recurring(self, name: str, item: Fields) -> Charge:
        """An item of a plan as a charge, its terms kept under its name."""
        self._terms[name] = (item.get("plan"), item.get("phase"), _rate(item))
        start = item.day("start")
        return Charge(
            "subscription", "recurring", start, item.day("end"), ONE, _rate(item), item.number("amount"),
            month_of(start), charge_id=name,
        )  # fmt: skip

    def net_view(self, *, is_reversed: bool) -> list[Item]:
        """What is still in force, or what takes it back."""
        covered = in_force(self._issued, may_overlap=False)
        if is_reversed:
            return [_item(line) for line in repair((), covered, CENTS).lines]
        return [
            {
                "type": "RECURRING",
                "start": str(part.start),
                "end": str(part.end),
                "amount": rounded(part.amount, CENTS),
                "rate": part.charge.unit_price,
            }
            for part in covered.parts
        ]

    def merged(self, proposed: Iterable[Mapping[str, Any]]) -> list[Item]:
        """What repairs the issued items to the proposed ones."""
        items = [Fields(item) for item in proposed]
        wanted: list[Charge] = []
        for number, item in enumerate(items):
            if item["type"] == "FIXED":
                continue
            if item["type"] != "RECURRING":
                raise NotSupportedError(f"a proposed item of the type {item['type']} is not known")
            if self._free[_item_key(item)]:
                self._free[_item_key(item)] -= 1
                continue
            wanted.append(self.recurring(f"proposed[{number}]", item))
        refuse_overlaps(sorted(wanted, key=lambda charge: charge.start), "would be charged twice")
        covered = in_force(self._issued, may_overlap=False)
        found = repair(wanted, covered, CENTS, terms=self._terms_of, keeps_any_amount=True)
        once = deltas([_once(item) for item in items if item["type"] == "FIXED"], self._once)
        fixed = [line for line in once if not line.is_correction]
        return [_item(line) for line in (*found.lines, *fixed)]

    def _terms_of(self, charge: Charge) -> Hashable:
        return self._terms[charge.charge_id]


def _rate(item: Mapping[str, Any]) -> Decimal:
    return Fields(item).number("rate") if item.get("rate") not in (None, "") else ZERO


def _item_key(item: Fields) -> Hashable:
    """What makes two items the same to Kill Bill."""
    names = (item.get(name) for name in ("plan", "phase", "start", "end"))
    return (*names, item.number("amount"), _rate(item))


def _once(item: Fields) -> Charge:
    """A fixed price: a one-time charge of its plan and phase."""
    start = item.day("start")
    return Charge(
        f"{item.get('plan')}/{item.get('phase')}", "one_time", start, start + ONE_DAY, ONE, item.number("amount"),
        item.number("amount"), month_of(start),
    )  # fmt: skip


def _item(line: Charge) -> Item:
    if line.kind == "one_time":
        return {"type": "FIXED", "start": str(line.start), "amount": line.net_amount}
    item: Item = {
        "type": "REPAIR_ADJ" if line.is_correction else "RECURRING",
        "start": str(line.start),
        "end": str(line.end),
        "amount": rounded(Part(line, line.start, line.end).amount, CENTS),
    }
    return item if line.is_correction else item | {"rate": line.unit_price}


def _sorted(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item["start"], str(item.get("end")), Decimal(str(item["amount"]))))
