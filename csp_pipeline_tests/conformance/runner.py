"""Runs vector files through the code that bills, and reports what came out.

What belongs here: which module knows a vector, and the report of a file. What a vector means is in the module of its
source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.conformance import (
    killbill,
    lago,
    legacy_prices,
    microsoft_prices,
    microsoft_seats,
    rating,
)
from csp_pipeline_tests.conformance.outcomes import (
    NotSupportedError,
    Outcome,
    OutOfScopeError,
    Status,
    Vector,
    plain,
    read_vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from csp_pipeline_tests.conformance.outcomes import Verdict

BY_KIND: dict[str, Callable[[Vector], Verdict]] = {
    **microsoft_seats.CHECKS,
    **microsoft_prices.CHECKS,
    **legacy_prices.CHECKS,
    **lago.CHECKS,
}
BY_FIELDS: tuple[tuple[str, Callable[[Vector], Verdict]], ...] = (
    *killbill.BY_INPUT,
    *rating.BY_INPUT,
    *lago.BY_INPUT,
)
LISTED: dict[Status, str] = {
    "failed": "failed",
    "unsupported": "not supported",
    "not_usable": "not usable",
    "out_of_scope": "out of scope",
}


@dataclass(frozen=True)
class Report:
    """The outcomes of a file; `total` leaves out the slips of the source and what is out of scope."""

    name: str
    outcomes: tuple[Outcome, ...]

    def count(self, status: Status) -> int:
        """How many vectors have an outcome."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def total(self) -> int:
        """Vectors that count: passed, failed and not supported."""
        return self.count("passed") + self.count("failed") + self.count("unsupported")

    def as_json(self) -> dict[str, Any]:
        """The report as one object."""
        lists: dict[str, Any] = {
            status: [entry.as_json() for entry in self.outcomes if entry.status == status] for status in LISTED
        }
        passed = [entry for entry in self.outcomes if entry.status == "passed"]
        return {
            "name": self.name,
            "passed": len(passed),
            "total": self.total,
            "vectors": len(self.outcomes),
            **lists,
            "partly_checked": [entry.as_json() for entry in passed if entry.unchecked],
        }

    def as_lines(self) -> list[str]:
        """The report in words: `name passed/total`, then what did not pass, with its reason."""
        apart = [f"{self.count(status)} {word}" for status, word in LISTED.items() if self.count(status)]
        lines = [f"{self.name} {self.count('passed')}/{self.total}" + (f" ({', '.join(apart)})" if apart else "")]
        for outcome in self.outcomes:
            if outcome.status == "failed":
                entry = outcome.as_json()
                lines.append(f"  failed {outcome.vector.id}: {', '.join(outcome.differs)}")
                lines += [f"    {name}: {entry[name]}" for name in ("input", "expected", "got")]
            elif outcome.unchecked:
                lines.append(f"  passed without {', '.join(outcome.unchecked)}: {outcome.vector.id}")
        reasons: dict[tuple[Status, str], list[str]] = {}
        for outcome in self.outcomes:
            if outcome.status not in {"passed", "failed"}:
                reasons.setdefault((outcome.status, outcome.reason), []).append(outcome.vector.id)
        for (status, reason), ids in reasons.items():
            lines.append(f"  {LISTED[status]}, {reason}: {', '.join(ids)}")
        return lines


def run_file(file: Path) -> Report:
    """Run every vector of a file.

    Raises:
        ValueError: when the file cannot be read as vectors.
    """
    return Report(file.name, tuple(outcome_of(vector) for vector in read_vectors(file)))


def outcome_of(vector: Vector) -> Outcome:
    """Run one vector."""
    if vector.caveat is not None:
        return Outcome(vector, "not_usable", vector.caveat)
    try:
        verdict = _check_of(vector)(vector)
    except NotSupportedError as reason:
        return Outcome(vector, "unsupported", str(reason))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        return Outcome(vector, "unsupported", f"its fields have another shape than the rule reads ({error!r})")
    except OutOfScopeError as reason:
        return Outcome(vector, "out_of_scope", str(reason))
    except (ValueError, ArithmeticError) as refusal:
        return Outcome(vector, "failed", "", {"refused": str(refusal)}, ("refused",))
    status: Status = "failed" if verdict.differs else "passed"
    return Outcome(vector, status, "", plain(verdict.got), verdict.differs, verdict.unchecked)


def _check_of(vector: Vector) -> Callable[[Vector], Verdict]:
    if vector.kind:
        check = BY_KIND.get(vector.kind)
        if check is None:
            raise NotSupportedError(f"the kind {vector.kind} is not known")
        return check
    for field, check in BY_FIELDS:
        if field in vector.content or field in vector.input:
            return check
    raise NotSupportedError("no rule is known for these fields")
