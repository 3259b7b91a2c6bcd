-- Every price of the provider's sheets, once, with the days on which a sheet with it was seen: current and earlier prices.
SELECT
    upper(trim(market)) AS market,
    upper(trim(currency)) AS currency,
    product_id,
    sku_id,
    product_title,
    sku_title,
    publisher AS publisher_name,
    segment,
    term_duration,
    billing_plan,
    unit_of_measure,
    unit_price,
    erp_price,
    pricing_tier_range_min AS tier_from_quantity,
    pricing_tier_range_max AS tier_to_quantity,
    effective_start_date AS effective_from_on,
    effective_end_date AS effective_until_on,
    meter_ids,
    meter_type,
    tags,
    min(snapshot_on) AS first_seen_on,
    max(snapshot_on) AS last_seen_on
FROM staged_price_sheet
GROUP BY ALL
