"""PostgreSQL within a run: what keeps a publication from it is told to a person and stops nothing else.

What belongs here: telling that failure from all others. What is published, and how, is `steps/publish_postgres`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from csp_pipeline.errors import cause_of
from csp_pipeline.storage.postgres import PostgresError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.settings import Settings


def has_publication(settings: Settings) -> bool:
    """Whether PostgreSQL holds what was published last, as it should: also true where no database is set.

    Raises:
        PostgresError: it cannot be reached.
    """
    from csp_pipeline.steps.publish_postgres import is_up_to_date  # noqa: PLC0415  (most runs need no database)

    return settings.postgres_url is None or is_up_to_date(settings)


@contextmanager
def kept_from_postgres(problems: list[str]) -> Iterator[None]:
    """Take what keeps a publication from PostgreSQL as a problem; everything else goes on as raised.

    Args:
        problems: replaced by what was found now, one sentence or none.
    """
    problems.clear()
    try:
        yield
    except (dg.DagsterError, PostgresError) as error:
        cause = cause_of(error)
        if not isinstance(cause, PostgresError):
            raise
        problems.append(str(cause))
