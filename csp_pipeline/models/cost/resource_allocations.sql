-- The billed amount of each azure_plan line, carried down to the usage it bills in units of 1E-10 (`carried_units`) and summed by
-- Azure subscription, resource group, resource and tags. Digits of a subtotal beyond the tenth stay with the first part of the line.
-- A line without usage keeps its amount, without Azure subscription.
WITH carried AS (
    SELECT
        lines.line_id,
        lines.subtotal_amount,
        target.customer_id,
        target.subscription_id,
        target.product_id,
        target.sku_id,
        target.entitlement_id,
        target.resource_group,
        target.resource_id,
        target.tags,
        from_units18(sum(CAST(carried.units AS HUGEINT)) * 100000000 * any_value(lines.direction)) AS billed_amount
    FROM carried_units AS carried
    INNER JOIN carry_down_lines AS lines USING (line_number)
    INNER JOIN carry_down_targets AS target USING (target_number)
    GROUP BY ALL
),

completed AS (
    SELECT
        * EXCLUDE (billed_amount, subtotal_amount),
        billed_amount
        + CASE
            WHEN
                row_number() OVER (
                    PARTITION BY line_id
                    ORDER BY entitlement_id, resource_group, resource_id, tags, customer_id, subscription_id, product_id, sku_id
                ) = 1
                THEN subtotal_amount - sum(billed_amount) OVER (PARTITION BY line_id)
            ELSE 0
        END AS billed_amount
    FROM carried
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    *
FROM completed
UNION ALL BY NAME
SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    line_id,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    subtotal_amount AS billed_amount
FROM cost.invoice_lines
WHERE
    billing_month = $billing_month
    AND currency = $currency
    AND product_family = 'azure_plan'
    AND NOT is_in_daily_usage
    AND NOT is_estimate
