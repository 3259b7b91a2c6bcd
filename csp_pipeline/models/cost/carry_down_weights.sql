-- Every usage row that takes part of a line, with its weight. Large partitions are taken in buckets of lines.
WITH destinations AS (
    SELECT *
    FROM carry_down_destinations
    WHERE line_number % $buckets = $bucket
),

targets AS (
    SELECT *
    FROM carry_down_targets
    WHERE target_number IN (SELECT destinations.target_number FROM destinations)
),

usage AS (
    SELECT
        usage.rowid AS usage_row,
        targets.target_number,
        usage.net_amount,
        usage.quantity
    FROM cost.daily_usage AS usage
    INNER JOIN targets
        ON
            usage.invoice_number = targets.invoice_number
            AND targets.customer_id IS NOT DISTINCT FROM usage.customer_id
            AND targets.subscription_id IS NOT DISTINCT FROM usage.subscription_id
            AND targets.product_id IS NOT DISTINCT FROM usage.product_id
            AND targets.sku_id IS NOT DISTINCT FROM usage.sku_id
            AND targets.meter_id IS NOT DISTINCT FROM usage.meter_id
            AND usage.pec_percent = targets.pec_percent
            AND targets.entitlement_id IS NOT DISTINCT FROM usage.entitlement_id
            AND targets.resource_group IS NOT DISTINCT FROM usage.resource_group
            AND targets.resource_id IS NOT DISTINCT FROM usage.resource_id
            AND targets.tags IS NOT DISTINCT FROM usage.tags
    WHERE usage.billing_month = $billing_month AND usage.currency = $currency
)

SELECT
    destinations.line_number,
    destinations.target_number,
    usage.usage_row,
    CASE destinations.weight_kind
        WHEN 'net' THEN abs(usage.net_amount)
        WHEN 'quantity' THEN abs(coalesce(usage.quantity, 0))
        ELSE CAST(1 AS DECIMAL(38, 18))
    END AS weight
FROM usage
INNER JOIN destinations USING (target_number)
