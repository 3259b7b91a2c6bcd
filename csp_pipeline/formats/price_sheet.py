"""The provider's price sheets: Azure consumption, licences and software; one row per price of a SKU in a market.

The sheets share most columns. Consumption names meters, licences and software name billing plan and the price that
Microsoft recommends for resale (`ERP_Price`).
"""

from __future__ import annotations

from csp_pipeline.formats.columns import WireFormat, currency, day, identifier, number, text

FORMAT = WireFormat(
    kind="price_sheet",
    title="price sheet",
    signature=(
        ("ProductTitle",),
        ("ProductId",),
        ("SkuId",),
        ("SkuTitle",),
        ("Market",),
        ("Currency",),
        ("UnitPrice",),
    ),
    columns=(
        text("product_title", "ProductTitle"),
        identifier("product_id", "ProductId", required=True),
        identifier("sku_id", "SkuId", required=True),
        text("sku_title", "SkuTitle"),
        text("publisher", "Publisher"),
        text("sku_description", "SkuDescription"),
        text("unit_of_measure", "UnitOfMeasure"),
        text("term_duration", "TermDuration"),
        text("billing_plan", "BillingPlan"),
        text("market", "Market", required=True),
        currency("currency", "Currency", required=True),
        text("segment", "Segment"),
        number("unit_price", "UnitPrice", unit="currency"),
        number("pricing_tier_range_min", "PricingTierRangeMin", unit="unit_of_measure"),
        number("pricing_tier_range_max", "PricingTierRangeMax", unit="unit_of_measure"),
        number("erp_price", "ERP_Price", unit="currency"),
        day("effective_start_date", "EffectiveStartDate"),
        day("effective_end_date", "EffectiveEndDate"),
        text("meter_ids", "MeterIds"),
        text("meter_type", "MeterType"),
        text("tags", "Tags"),
    ),
)
