"""What is promised, as ratios to the yardsticks of the same run, and the table that shows whether it is kept.

Where the promises come from: section "Speed" of the README. Nothing is measured here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from csp_pipeline_tests.benchmarks.measuring import Measured

GZIP, PANDAS = "gzip -dc", "pandas"
STAGING, MONTH, AGAIN, DEFINITIONS = "landing and staging", "whole month", "unchanged re-run", "load definitions"
DRAFTING, RECONCILING = "drafting", "reconciling"
STAGING_TIMES, MONTH_TIMES, MONTH_GOAL_TIMES = 1.25, 5.0, 3.0
AGAIN_SECONDS, DEFINITIONS_SECONDS, DRAFTING_SECONDS, RECONCILING_SECONDS = 10.0, 4.0, 30.0, 20.0
MEMORY_BYTES = 2 << 30


@dataclass(frozen=True)
class Bound:
    """A promise and what was found.

    Attributes:
        of: the measurement it is about.
        what: what is bounded, with its unit.
        found: the figure of this run.
        most: the figure it may not exceed.
    """

    of: str
    what: str
    found: float
    most: float

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept."""
        return self.found <= self.most


def bounds(measured: Mapping[str, Measured]) -> list[Bound]:
    """Every promise about what was measured."""
    yardstick = measured[GZIP].seconds
    kept = [
        Bound(STAGING, "x gzip -dc", measured[STAGING].seconds / yardstick, STAGING_TIMES),
        Bound(MONTH, "x gzip -dc", measured[MONTH].seconds / yardstick, MONTH_TIMES),
        Bound(AGAIN, "seconds", measured[AGAIN].seconds, AGAIN_SECONDS),
        Bound(DEFINITIONS, "seconds", measured[DEFINITIONS].seconds, DEFINITIONS_SECONDS),
        Bound(DRAFTING, "seconds", measured[DRAFTING].seconds, DRAFTING_SECONDS),
        Bound(RECONCILING, "seconds", measured[RECONCILING].seconds, RECONCILING_SECONDS),
    ]
    kept += [
        Bound(name, "GiB of memory", measured[name].peak_bytes / (1 << 30), MEMORY_BYTES / (1 << 30))
        for name in (STAGING, MONTH, AGAIN, DRAFTING, RECONCILING)
    ]
    return kept


def as_table(measured: Mapping[str, Measured], promises: Sequence[Bound]) -> str:
    """The measurements and the promises as text, a line each."""
    gzip, pandas = measured[GZIP], measured[PANDAS]
    lines = [f"{'':<22}{'seconds':>9}{'cpu s':>9}{'x gzip':>9}{'x cpu':>9}{'x pandas':>10}{'peak MiB':>10}"]
    for name, one in measured.items():
        ratios = f"{one.seconds / gzip.seconds:>9.2f}{one.processor_seconds / gzip.processor_seconds:>9.2f}"
        peak = one.peak_bytes / (1 << 20)
        lines.append(
            f"{name:<22}{one.seconds:>9.2f}{one.processor_seconds:>9.2f}{ratios}"
            f"{one.seconds / pandas.seconds:>10.2f}{peak:>10.0f}"
        )
    lines.append("")
    for promise in promises:
        verdict = "kept" if promise.is_kept else "MISSED"
        lines.append(f"{promise.of:<22}{promise.found:>9.2f} {promise.what:<14} at most {promise.most:<5g} {verdict}")
    goal = measured[MONTH].seconds / gzip.seconds
    lines.append(f"{'goal of ' + MONTH:<22}{goal:>9.2f} {'x gzip -dc':<14} wanted  {MONTH_GOAL_TIMES:<5g}")
    return "\n".join(lines)


def as_json(measured: Mapping[str, Measured], promises: Sequence[Bound]) -> dict[str, object]:
    """The same for a program."""
    gzip, pandas = measured[GZIP], measured[PANDAS]
    return {
        "measured": {
            name: {
                **asdict(one),
                "times_gzip": one.seconds / gzip.seconds,
                "times_gzip_processor": one.processor_seconds / gzip.processor_seconds,
                "times_pandas": one.seconds / pandas.seconds,
            }
            for name, one in measured.items()
        },
        "bounds": [{**asdict(promise), "is_kept": promise.is_kept} for promise in promises],
        "all_kept": all(promise.is_kept for promise in promises),
    }
