"""The posting month: in which month of the books a document counts.

What belongs here: that one rule; which months are closed is kept elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import shift_month

if TYPE_CHECKING:
    from collections.abc import Collection


def posting_month(billing_month: str, closed: Collection[str] = ()) -> str:
    """The month of the document, or the first one after it that is open.

    Args:
        billing_month: YYYY-MM.
        closed: months closed for posting.
    """
    while billing_month in closed:
        billing_month = shift_month(billing_month, 1)
    return billing_month
