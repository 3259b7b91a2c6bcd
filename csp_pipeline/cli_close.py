"""`csp-pipeline close`: closes a month for posting and writes the month-end pack.

What belongs here: options, sentences and the exit code. The work is `orchestration/closing`.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from csp_pipeline.cli_errors import NEEDS_A_PERSON, in_a_sentence
from csp_pipeline.cli_settings import month_given, read_settings


@in_a_sentence
def close(
    month: Annotated[str, typer.Option(help="YYYY-MM.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> int:
    """Close a month for posting: what becomes known later posts to the first month still open."""
    from csp_pipeline.cli_rendering import progress, terminal  # noqa: PLC0415
    from csp_pipeline.orchestration.closing import close as close_month  # noqa: PLC0415  (dagster takes a second)

    settings, wanted = read_settings(), str(month_given(month))
    status, tell = progress(terminal(stderr=as_json))
    with status:
        done = close_month(settings, wanted, on_progress=tell)
    closed_at = f"{done.month.closed_at:%Y-%m-%d %H:%M:%S} UTC"
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "month": wanted,
                    "closed_at": done.month.closed_at.isoformat(),
                    "was_closed_before": done.was_closed,
                    "postings": len(done.month.postings),
                    "pack": str(done.pack),
                    "notices": done.notices,
                    "needs_a_person": done.problems,
                }
            )
        )
        return NEEDS_A_PERSON if done.problems else 0
    state = f"was closed before, on {closed_at}" if done.was_closed else f"is closed since {closed_at}"
    typer.echo(f"{wanted} {state}, with {len(done.month.postings)} postings. What comes later posts to an open month.")
    for sentence in (*done.notices, *done.problems):
        typer.echo(sentence)
    typer.echo(f"The month-end pack is in {done.pack}.")
    return NEEDS_A_PERSON if done.problems else 0
