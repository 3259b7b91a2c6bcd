"""The partner's own terms: the tables and columns of the commercial folder or database, with types and allowed values.

What belongs here: declarations. How cells are read is `commercial_rows`, where rows come from
`sources/commercial_terms`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from csp_pipeline.domain.difference_facts import ORDER

CellKind = Literal["text", "decimal", "integer", "date", "timestamp", "boolean", "month", "currency"]

PRICING_MODELS = ("per_unit", "flat", "cost_plus", "graduated", "volume", "package")
CAUSES = ("own_service", *ORDER)


@dataclass(frozen=True)
class CommercialColumn:
    """A column: what its cells hold, whether they must, and what they may.

    Attributes:
        allowed: the only values, compared without case; empty when anything goes.
        lowest: smallest number allowed, None when any.
        highest: largest number allowed, None when any.
        is_refinement: most partners do without it, so nothing is said when it is not there.
    """

    name: str
    kind: CellKind = "text"
    is_required: bool = False
    allowed: tuple[str, ...] = ()
    lowest: int | None = None
    highest: int | None = None
    is_refinement: bool = False


@dataclass(frozen=True)
class CommercialTable:
    """A table of commercial terms.

    Attributes:
        key: the columns that must differ between rows.
        is_required: without it no drafts are made.
        intervals: pairs of columns of which the second must not lie before the first.
        required_by_model: further columns that a row needs, by its pricing_model.
        required_unless: a column that, filled in, gives what `required_by_model` asks for.
    """

    name: str
    columns: tuple[CommercialColumn, ...]
    key: tuple[str, ...]
    is_required: bool = False
    intervals: tuple[tuple[str, str], ...] = ()
    required_by_model: dict[str, tuple[str, ...]] = field(default_factory=dict)
    required_unless: str | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """The column names, in the table's order."""
        return tuple(column.name for column in self.columns)


def _needed(name: str, kind: CellKind = "text", allowed: tuple[str, ...] = ()) -> CommercialColumn:
    return CommercialColumn(name, kind, is_required=True, allowed=allowed)


_text = CommercialColumn


def _one_of(name: str, *allowed: str) -> CommercialColumn:
    return CommercialColumn(name, allowed=allowed)


def _decimal(name: str, lowest: int | None = None, highest: int | None = None) -> CommercialColumn:
    return CommercialColumn(name, "decimal", lowest=lowest, highest=highest)


def _date(name: str) -> CommercialColumn:
    return CommercialColumn(name, "date")


ACCOUNTS = CommercialTable(
    "accounts",
    (
        _needed("account_id"),
        _text("name"),
        _text("country_code"),
        _needed("currency", "currency"),
        _text("tax_id"),
        _text("tax_rate_id"),
        CommercialColumn("payment_terms_days", "integer", lowest=0, highest=3650),
        _decimal("credit_limit_amount"),
        CommercialColumn("credit_hold", "boolean"),
        _text("billing_email"),
        _text("service_email"),
        _text("salesperson_id"),
        _text("accounting_system"),
    ),
    key=("account_id",),
    is_required=True,
)

ACCOUNT_TENANTS = CommercialTable(
    "account_tenants",
    (_needed("account_id"), _needed("customer_id")),
    key=("customer_id",),
    is_required=True,
)

CONTRACT_LINES = CommercialTable(
    "contract_lines",
    (
        _needed("contract_line_id"),
        _needed("account_id"),
        _text("customer_id"),
        _text("subscription_id"),
        _text("entitlement_id"),
        _text("product_id"),
        _text("sku_id"),
        _text("description"),
        _needed("pricing_model", allowed=PRICING_MODELS),
        _decimal("unit_price"),
        _needed("currency", "currency"),
        _decimal("markup_percent", lowest=-100),
        _one_of("cost_basis", "net", "gross"),
        _decimal("discount_percent", lowest=0, highest=100),
        _one_of("quantity_source", "partner_center", "fixed"),
        _decimal("quantity"),
        _one_of("billing_cycle", "monthly", "quarterly", "annual"),
        _one_of("billing_timing", "advance", "arrears"),
        CommercialColumn("anchor_day", "integer", lowest=1, highest=31),
        _one_of("proration", "daily", "none"),
        _text("tax_category"),
        _needed("starts_on", "date"),
        _date("ends_on"),
        _text("bundle_id"),
        _one_of("cost_source", "provider", "distributor", "own", "none"),
        _decimal("unit_cost"),
        _decimal("minimum_amount", lowest=0),
        _decimal("maximum_amount", lowest=0),
        _decimal("discount_amount", lowest=0),
        _date("discount_ends_on"),
        _date("trial_ends_on"),
    ),
    key=("contract_line_id",),
    is_required=True,
    intervals=(("starts_on", "ends_on"),),
    required_by_model={"per_unit": ("unit_price",), "flat": ("unit_price",)},
    required_unless="bundle_id",
)

SUBSCRIPTION_LINKS = CommercialTable(
    "subscription_links",
    (
        _needed("from_subscription_id"),
        _needed("to_subscription_id"),
        _date("valid_from"),
        _text("reason"),
        CommercialColumn("confirmed", "boolean"),
    ),
    key=("from_subscription_id", "to_subscription_id", "valid_from"),
)

ACCOUNT_RESELLERS = CommercialTable(
    "account_resellers",
    (_needed("account_id"), _needed("reseller_mpn_id")),
    key=("reseller_mpn_id",),
)

PRICE_TIERS = CommercialTable(
    "price_tiers",
    (
        _needed("contract_line_id"),
        CommercialColumn("from_quantity", "decimal", is_required=True, lowest=0),
        _decimal("unit_price"),
        _decimal("flat_amount"),
        _decimal("package_size"),
    ),
    key=("contract_line_id", "from_quantity"),
)

BUNDLES = CommercialTable(
    "bundles",
    (_needed("bundle_id"), _text("name"), _decimal("unit_price"), CommercialColumn("currency", "currency")),
    key=("bundle_id",),
)

TAX_RATES = CommercialTable(
    "tax_rates",
    (
        _needed("tax_rate_id"),
        _text("tax_category"),
        _needed("rate_percent", "decimal"),
        _date("valid_from"),
        _date("valid_to"),
    ),
    key=("tax_rate_id", "tax_category", "valid_from"),
    intervals=(("valid_from", "valid_to"),),
)

EXCHANGE_RATES = CommercialTable(
    "exchange_rates",
    (
        _needed("rate_month", "month"),
        _needed("from_currency", "currency"),
        _needed("to_currency", "currency"),
        CommercialColumn("rate", "decimal", is_required=True, lowest=0),
        _text("source"),
    ),
    key=("rate_month", "from_currency", "to_currency"),
)

COMMISSION_PLANS = CommercialTable(
    "commission_plans",
    (
        _needed("salesperson_id"),
        _one_of("basis", "revenue", "margin"),
        _decimal("rate_percent"),
        _date("valid_from"),
        _date("valid_to"),
    ),
    key=("salesperson_id", "basis", "valid_from"),
    intervals=(("valid_from", "valid_to"),),
)

PAYMENTS = CommercialTable(
    "payments",
    (
        _needed("payment_id"),
        _text("account_id"),
        _text("invoice_number"),
        _date("paid_on"),
        _decimal("amount"),
        CommercialColumn("currency", "currency"),
    ),
    key=("payment_id",),
)

LICENSE_CHANGE_REQUESTS = CommercialTable(
    "license_change_requests",
    (
        _needed("request_id"),
        _text("account_id"),
        _text("customer_id"),
        _text("subscription_id"),
        CommercialColumn("requested_at", "timestamp"),
        _text("requested_by"),
        _one_of("channel", "portal", "api", "manual"),
        _one_of("operation", "change_quantity", "purchase", "cancel"),
        _text("product_id"),
        _text("sku_id"),
        _decimal("new_quantity"),
        CommercialColumn("term_duration", is_refinement=True),
        CommercialColumn("billing_cycle", is_refinement=True),
    ),
    key=("request_id",),
)

RESOLUTIONS = CommercialTable(
    "resolutions",
    (
        _needed("service_month", "month"),
        _text("account_id"),
        _text("subscription_id"),
        _needed("cause", allowed=CAUSES),
        _text("decided_by"),
        CommercialColumn("decided_at", "timestamp"),
        _needed("decision", allowed=("accepted", "disputed", "corrected")),
        _text("note"),
        _decimal("amount"),
    ),
    key=("service_month", "account_id", "subscription_id", "cause", "decided_at"),
)

PROVIDER_DISPUTES = CommercialTable(
    "provider_disputes",
    (
        _text("provider"),
        _needed("invoice_number"),
        _text("customer_id"),
        _text("line_id"),
        CommercialColumn("amount", "decimal", is_required=True),
        _needed("currency", "currency"),
        _needed("case_number"),
        _date("opened_on"),
        _one_of("state", "open", "accepted", "rejected"),
        _text("note"),
    ),
    key=("provider", "invoice_number", "customer_id", "line_id", "case_number"),
)

AGREEMENT_ACCEPTANCES = CommercialTable(
    "agreement_acceptances",
    (
        _needed("customer_id"),
        _needed("first_name"),
        _needed("last_name"),
        _needed("email"),
        _text("phone_number"),
        _needed("accepted_at", "timestamp"),
        CommercialColumn("confirmed", "boolean"),
    ),
    key=("customer_id",),
)

SEAT_LIMITS = CommercialTable(
    "seat_limits",
    (
        _needed("product_id"),
        _text("sku_id"),
        CommercialColumn("minimum_quantity", "integer", lowest=1),
        CommercialColumn("maximum_quantity", "integer", lowest=1),
    ),
    key=("product_id", "sku_id"),
)

COMMERCIAL_TABLES = (
    ACCOUNTS,
    ACCOUNT_TENANTS,
    CONTRACT_LINES,
    SUBSCRIPTION_LINKS,
    ACCOUNT_RESELLERS,
    PRICE_TIERS,
    BUNDLES,
    TAX_RATES,
    EXCHANGE_RATES,
    COMMISSION_PLANS,
    PAYMENTS,
    LICENSE_CHANGE_REQUESTS,
    RESOLUTIONS,
    PROVIDER_DISPUTES,
    AGREEMENT_ACCEPTANCES,
    SEAT_LIMITS,
)
