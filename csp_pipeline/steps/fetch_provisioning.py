"""The provisioning status of seat subscriptions: whose is asked for, and the file of a day.

What belongs here: the rule that spares requests. A status is asked for when none was told yet, when the last one told
is not success or of another quantity, and when the subscription is another version than the one it was told for. That
version stands with each answer in landing, so that an answer which never came is asked for again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from csp_pipeline.formats.records import as_text, loads, nested, value_of
from csp_pipeline.formats.values import UnreadableError, parse_decimal
from csp_pipeline.steps.answers import FetchReport, answer_line, ask_for, in_order, land_lines, told
from csp_pipeline.storage.arrivals import delivered_files
from csp_pipeline.storage.landing import file_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.steps.answers import Key
    from csp_pipeline.storage.home import Home

RESOURCE = "subscription_provisioning"
_TOLD_FOR = "told_for"
_KEY = re.compile(r"/customers/([^/]+)/subscriptions/([^/]+)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seats:
    """A seat subscription as it is now: what to ask for it by, and what a change of it shows in."""

    key: Key
    version: str
    quantity: Decimal | None

    @classmethod
    def of(cls, key: Key, subscription: Mapping[str, object]) -> Seats:
        """The subscription that an item of an answer tells of; its version is made of etag, quantity and status."""
        etag = value_of(nested(subscription, "attributes"), "etag")
        parts = (etag, value_of(subscription, "quantity"), value_of(subscription, "status"))
        return cls(key, " ".join(as_text(part) or "-" for part in parts), _quantity(subscription))


@dataclass(frozen=True, slots=True)
class _Told:
    """The last status told of a subscription: for which version of it, and the line and the day it was landed with."""

    version: str
    status: str
    quantity: Decimal | None
    line: bytes
    told_on: date | None

    def settles(self, seats: Seats) -> bool:
        """Whether it is still the last word on a subscription."""
        return self.status == "success" and (self.version, self.quantity) == (seats.version, seats.quantity)


def fetch_statuses(home: Home, service: PartnerCenter, subscriptions: Iterable[Seats], today: date) -> FetchReport:
    """Deliver the status of the subscriptions where it can have changed; what was told earlier today stays in the file.

    Args:
        home: the folders.
        service: the client.
        subscriptions: the live seat subscriptions.
        today: the UTC day it is.

    Returns:
        The report of a file, or of none where nothing had to be asked, and how many answers did not come.

    Raises:
        AuthenticationError: the login is refused.
    """
    before = _told_before(home)
    asked = {one.key: one for one in subscriptions if one.key not in before or not before[one.key].settles(one)}
    lines = {key: one.line for key, one in before.items() if one.told_on == today}
    answered, failed = 0, []
    for key, answer in in_order(partial(ask_for, service.subscription_provisioning), sorted(asked)):
        if isinstance(answer, Exception):
            failed.append(answer)
        else:
            lines[key] = b"".join(answer_line(page, **{_TOLD_FOR: asked[key].version}) for page in answer)
            answered += 1
    report = FetchReport()
    if answered:
        report += land_lines(home, RESOURCE, (lines[key] for key in sorted(lines)), snapshot_on=today)
    if failed:
        report += told(f"{len(failed)} of {len(asked)} answers on subscription provisioning", failed[0])
    return report


def _told_before(home: Home) -> dict[Key, _Told]:
    """The last status of every subscription that one was ever told of."""
    found: dict[Key, _Told] = {}
    for file in delivered_files(home, RESOURCE):
        told_on = file.origin.snapshot_on if file.origin else None
        with file_path(home, file.sha256).open("rb") as lines:
            for line in lines:
                answer = loads(line.decode())
                key = _KEY.search(str(value_of(answer, "uri"))) if isinstance(answer, dict) else None
                if isinstance(answer, dict) and key:
                    body = nested(answer, "body")
                    version = str(value_of(answer, _TOLD_FOR) or "")
                    status = str(value_of(body, "status") or "").lower()
                    found[tuple(map(unquote, key.groups()))] = _Told(version, status, _quantity(body), line, told_on)
    return found


def _quantity(record: Mapping[str, object]) -> Decimal | None:
    try:
        return parse_decimal(as_text(value_of(record, "quantity")) or "")[0]
    except UnreadableError:
        return None
