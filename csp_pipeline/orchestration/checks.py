"""Asset checks: the identities of the books, which block publishing, and the proof state, which only warns.

What is checked is written in `quality/identities.py` and `cost.invoice_proof`; here it is shown to Dagster.
"""

from collections.abc import Iterator
from decimal import Decimal

import dagster as dg
import duckdb

from csp_pipeline.quality.identities import IDENTITIES, Identity, violations
from csp_pipeline.steps.cost_overviews import OVERVIEW_TABLES
from csp_pipeline.steps.publish import prepare_audit
from csp_pipeline.storage.warehouse import writing

PROOF_CHECK = dg.AssetCheckSpec(
    "invoices_are_proven",
    asset=dg.AssetKey(["cost", "invoice_proof"]),
    description="Every provider invoice is proven: header, lines, usage and rounding leave nothing over. "
    "An invoice that is not is published all the same, marked, and blocks issuing of what is priced on its cost.",
    blocking=False,
)


def proof_check_result(connection: duckdb.DuckDBPyConnection) -> dg.AssetCheckResult:
    """The proof state of every provider invoice, in one sentence.

    Every run looks at all of them: a run of one currency must not hide what another left unproven.
    """
    rows = connection.execute(
        """
        SELECT invoice_number, proof_state, unexplained_amount, currency
        FROM cost.invoice_proof
        ORDER BY abs(unexplained_amount) DESC NULLS FIRST, invoice_number
        """
    ).fetchall()
    open_ = [row for row in rows if row[1] != "proven"]
    sentence = f"{len(rows) - len(open_)} of {len(rows)} invoices are proven"
    if open_:
        sentence += f"; the largest that is not is {_in_words(*open_[0])}"
    return dg.AssetCheckResult(
        asset_key=PROOF_CHECK.asset_key,
        check_name=PROOF_CHECK.name,
        passed=not open_,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{sentence}.",
        metadata={
            "invoices": len(rows),
            "not_proven": len(open_),
            "first_not_proven": "\n".join(_in_words(*row) for row in open_[:20]),
        },
    )


def _in_words(number: str, state: str, amount: Decimal | None, currency: str) -> str:
    unexplained = "an unknown amount of" if amount is None else f"{amount.normalize():f}"
    return f"{number}: {state}, {unexplained} {currency} unexplained"


EXPECTATIONS_CHECK = dg.AssetCheckSpec(
    "readers_find_what_they_expect",
    asset=dg.AssetKey(["meta", "tables"]),
    description="The published copy keeps what readers rely on: closed lists, columns never empty, unique keys.",
    blocking=False,
)


def build_expectations_check() -> dg.AssetChecksDefinition:
    """The great-expectations suite on the published copy; it only reads that, takes seconds, and warns."""

    @dg.multi_asset_check(name="expect", specs=[EXPECTATIONS_CHECK], required_resource_keys={"settings"})
    def expect(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Validate the suite on the published copy."""
        from csp_pipeline.quality.expectations import unmet_expectations  # noqa: PLC0415  (heavy)

        unmet = unmet_expectations(context.resources.settings.home.published)
        yield dg.AssetCheckResult(
            asset_key=EXPECTATIONS_CHECK.asset_key,
            check_name=EXPECTATIONS_CHECK.name,
            passed=not unmet,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(unmet[:3]) or EXPECTATIONS_CHECK.description,
            metadata={"unmet": len(unmet)},
        )

    return expect


def build_identity_checks(pool: str | None) -> list[dg.AssetChecksDefinition]:
    """The identities as blocking checks on the tables they are about.

    One step per schema, so that what is wrong in the files or in cost stops what is made from them; the tables over all
    months of cost, which are made from the reconciliation too, have their own.
    """
    groups: dict[str, list[Identity]] = {}
    for identity in IDENTITIES:
        group = "cost_overviews" if identity.table in OVERVIEW_TABLES else identity.table.split(".")[0]
        groups.setdefault(group, []).append(identity)
    return [_audit(group, identities, pool) for group, identities in groups.items()]


def _audit(group: str, identities: list[Identity], pool: str | None) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"audit_{group}",
        specs=[
            dg.AssetCheckSpec(
                identity.name, asset=dg.AssetKey(identity.table.split(".")), description=identity.claim, blocking=True
            )
            for identity in identities
        ],
        required_resource_keys={"settings"},
        pool=pool,
    )
    def audit(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Evaluate the identities of a group of tables on the working warehouse."""
        home = context.resources.settings.home
        with writing(home) as connection:
            prepare_audit(connection, home)
            for identity in identities:
                found = violations(connection, identity)
                yield dg.AssetCheckResult(
                    asset_key=dg.AssetKey(identity.table.split(".")),
                    check_name=identity.name,
                    passed=not found,
                    description=found[0] if found else identity.claim,
                    metadata={"violations": len(found), "first_violations": "\n".join(found[:20])},
                )

    return audit
