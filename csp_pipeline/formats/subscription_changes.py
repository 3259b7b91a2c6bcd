"""The licence change log `subscription_changes.csv`: one row per change of a subscription's quantity or state."""

from __future__ import annotations

from csp_pipeline.formats.columns import WireFormat, identifier, instant, number, text

FORMAT = WireFormat(
    kind="subscription_changes",
    title="licence change log",
    signature=(("subscription_id",), ("changed_at",), ("quantity_after",), ("quantity_before",)),
    columns=(
        identifier("change_id", "change_id"),
        identifier("customer_id", "customer_id"),
        identifier("subscription_id", "subscription_id", required=True),
        instant("changed_at", "changed_at", required=True),
        text("event", "event"),
        number("quantity_before", "quantity_before", unit="seats"),
        number("quantity_after", "quantity_after", unit="seats", required=True),
        text("actor", "actor"),
    ),
)
