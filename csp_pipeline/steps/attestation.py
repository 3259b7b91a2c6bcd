"""Attesting to Microsoft that customers accepted the Microsoft Customer Agreement, once each.

What belongs here: which acceptances are attested and what the ledger says of it. As with requests, the ledger says so
before, and the same id is used when it is tried again, so that an answer that was lost does no harm.
"""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from csp_pipeline.domain.provisioning import key_of, utc_text
from csp_pipeline.formats.records import value_of
from csp_pipeline.sources.partner_center import PrimaryContact
from csp_pipeline.sources.provider_errors import AuthenticationError, ProviderError
from csp_pipeline.steps.journal import Journal
from csp_pipeline.steps.provisioning_facts import ATTESTATION, ATTESTING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    import duckdb

    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.steps.provisioning_facts import Facts
    from csp_pipeline.storage.home import Home

ALREADY_THERE = "600061"

_CONFIRMED = """
SELECT customer_id, first_name, last_name, email, coalesce(phone_number, ''), accepted_at
FROM reference.agreement_acceptances
WHERE confirmed
ORDER BY accepted_at, customer_id
"""


def to_attest(con: duckdb.DuckDBPyConnection, facts: Facts) -> list[tuple[Any, ...]]:
    """The confirmed acceptances that Microsoft does not know, and did not refuse as they are."""
    refused = {
        record["content"] for record in facts.records if record["type"] == ATTESTATION and not record["is_accepted"]
    }
    rows = con.execute(_CONFIRMED).fetchall()
    return [row for row in rows if key_of(row[0]) not in facts.agreed and _content(row) not in refused]


def unanswered(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The acceptances that were sent, and of which the ledger does not say what became of them."""
    sent = {record["content"]: record["type"] for record in records if record["type"] in {ATTESTING, ATTESTATION}}
    return sorted(content for content, kind in sent.items() if kind == ATTESTING)


def attest(  # noqa: PLR0913  (what tests inject)
    home: Home,
    acceptances: list[tuple[Any, ...]],
    center: PartnerCenter,
    *,
    now: Callable[[], datetime],
    tell: Callable[[str], None] = lambda _: None,
    at: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Attest acceptances; whoever calls this holds the lock of the home.

    Args:
        home: where the ledger is.
        acceptances: from `to_attest`.
        center: the client.
        now: UTC without zone.
        tell: told one sentence per attestation.
        at: told a sentence at each point where a killed process would leave things differently.

    Returns:
        Why something could not be attested, one sentence each.
    """
    if not acceptances:
        return []
    journal, problems = Journal(home, now, at), []
    try:
        template_id = _template(center)
        for row in acceptances:
            problem = _attest_one(journal, row, template_id, center, now)
            tell(problem or f"Attested the agreement of customer {row[0]}.")
            problems += [problem] if problem else []
    except AuthenticationError as error:
        problems.append(f"Agreements were not attested: {error}")
    except ProviderError as error:
        problems.append(f"Agreements were not attested: {error}")
    finally:
        journal.commit()
    return problems


def _attest_one(
    journal: Journal, row: tuple[Any, ...], template_id: str, center: PartnerCenter, now: Callable[[], datetime]
) -> str | None:
    """Attest one acceptance; returns why it could not be, or None."""
    customer_id, first_name, last_name, email, phone_number, accepted_at = row
    content, at = _content(row), utc_text(now())
    request_id = str(uuid5(NAMESPACE_URL, f"csp-pipeline/attestation/{content}"))
    journal.note(
        {"type": ATTESTING, "customer_id": customer_id, "content": content, "request_id": request_id, "at": at}
    )
    journal.commit()
    try:
        contact = PrimaryContact(first_name, last_name, email, phone_number)
        center.confirm_agreement(customer_id, template_id, accepted_at.replace(tzinfo=UTC), contact, request_id)
        is_accepted, code, message = True, "", "Attested."
    except AuthenticationError:
        raise
    except ProviderError as error:
        if error.failure_class != "business_rule":
            return f"The agreement of customer {customer_id} was not attested yet: {error}"
        is_accepted, code, message = error.code == ALREADY_THERE, error.code, error.message
    record = {"type": ATTESTATION, "customer_id": customer_id, "content": content, "request_id": request_id}
    journal.note({**record, "is_accepted": is_accepted, "code": code, "message": message, "at": utc_text(now())})
    journal.commit()
    return None if is_accepted else f"Microsoft refused the agreement of customer {customer_id}: {message}"


def _template(center: PartnerCenter) -> str:
    """The template that is accepted; the latest where there are several."""
    items = [item for page in center.agreement_metadata() for item in page.items]
    ranked = sorted(items, key=lambda item: Decimal(str(value_of(item, "versionRank") or 0)))
    if not ranked:
        raise ProviderError("Microsoft names no template of the Microsoft Customer Agreement", resource="agreements")
    return str(value_of(ranked[-1], "templateId"))


def _content(row: tuple[Any, ...]) -> str:
    return "/".join(str(value) for value in row)
