-- Billed usage at no cost that names the reservation or savings plan which paid for it.
WITH as_sent AS (
    SELECT
        usage_on,
        benefit_order_id,
        customer_id,
        entitlement_id,
        resource_group,
        resource_id,
        tags,
        unit_price,
        count(*) AS usage_rows,
        sum(quantity) AS quantity
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate AND benefit_order_id IS NOT NULL AND net_amount = 0
    GROUP BY ALL
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    usage_on,
    benefit_order_id,
    customer_id,
    nullif(trim(entitlement_id), '') AS entitlement_id,
    resource_group,
    resource_id,
    tags,
    CAST(sum(usage_rows) AS BIGINT) AS usage_rows,
    sum(quantity) AS quantity,
    from_units18(sum(coalesce(product_units18(units18(quantity), units18(unit_price)), 0))) AS list_amount
FROM as_sent
GROUP BY usage_on, benefit_order_id, customer_id, nullif(trim(entitlement_id), ''), resource_group, resource_id, tags
