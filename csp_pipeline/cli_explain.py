"""`csp-pipeline explain`: the story of one customer's month, in plain words with the rows behind it.

What belongs here: options and how sentences are printed. What is told is `steps/customer_story`.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from csp_pipeline.cli_errors import in_a_sentence
from csp_pipeline.cli_settings import month_given, read_settings

_SHOWN = 6
"""Rows named under a sentence; `--json` names all."""


@in_a_sentence
def explain(
    customer: Annotated[str, typer.Option(help="A tenant's id, domain or part of its name; or an account.")],
    month: Annotated[str | None, typer.Option(help="YYYY-MM; the last month drafted when not given.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the story as one JSON object.")] = False,
) -> int:
    """Tell a customer's month in plain words, with the rows behind every sentence."""
    from csp_pipeline.steps.customer_story import tell_story  # noqa: PLC0415  (opens the warehouse)

    story = tell_story(read_settings().home, customer, month_given(month))
    if as_json:
        sentences = [
            {
                "text": one.text,
                "rows": [{name: value for name, value in row._asdict().items() if value} for row in one.rows],
            }
            for one in story.sentences
        ]
        typer.echo(
            json.dumps(
                {
                    "customer_ids": story.customer_ids,
                    "name": story.name,
                    "month": story.month,
                    "sentences": sentences,
                },
                ensure_ascii=False,
            )
        )
        return 0
    typer.echo(f"{story.name} ({', '.join(story.customer_ids)}) in {story.month}")
    for one in story.sentences:
        typer.echo(f"\n{one.text}")
        for table, key, source in one.rows[:_SHOWN]:
            typer.echo(f"    {table}  {key}" + (f"  ({source})" if source else ""))
        if len(one.rows) > _SHOWN:
            typer.echo(f"    and {len(one.rows) - _SHOWN} more rows (--json names all)")
    return 0
