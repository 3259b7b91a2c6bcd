"""The month after the last invoice, as far as it has come: the seat lines that the provider has not billed yet.

Usage of its first days follows from the resources (see `usage`). Nothing here draws from the scenario's own source, so
that the open month never changes what was billed before it.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.seats import charges_of, line_of

if TYPE_CHECKING:
    from csp_pipeline.sandbox.facts import ReconLine
    from csp_pipeline.sandbox.scenario import Scenario


def open_lines(scenario: Scenario) -> list[ReconLine]:
    """The seat lines of the open month: cycles that began in its first days, and late changes no invoice has shown.

    Args:
        scenario: The facts.

    Returns:
        Lines whose billing month is the open month.
    """
    month, until = scenario.open_month, scenario.open_until
    lines: list[ReconLine] = []
    for seats in scenario.seats:
        source = random.Random(f"{scenario.seed}/open/{seats.subscription_id}")  # noqa: S311  (a scenario, not a secret)
        fx_of = partial(scenario.fx, seats.customer.currency)
        for charge in charges_of(seats, until, source):
            if charge.billing_month in (month, "") and charge.start_on <= until:
                unbilled = replace(charge, billing_month=month)
                lines += [line_of(seats, unbilled, licence, price, fx_of) for licence, price in seats.parts]
    return lines
