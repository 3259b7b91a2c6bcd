-- The earned credit that daily usage states row by row against the one that the price adjustments of the lines state, by
-- document, customer, subscription, product and SKU. A subtotal is truncated twice, so its credit may miss by what truncation
-- takes: (0.01 x exchange rate + one minor unit) per line, times p / (100 - p).
WITH used AS (
    SELECT
        invoice_number,
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        id_key(product_id) AS product,
        id_key(sku_id) AS sku,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        sum(net_amount) AS net_amount,
        sum(usage_rows) AS usage_rows,
        max(pec_percent) AS percent,
        sum(pec_amount) AS credit_amount
    FROM cost.usage_groups
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY invoice_number, customer, subscription, product, sku
),

stated AS (
    SELECT
        invoice_number,
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        id_key(product_id) AS product,
        id_key(sku_id) AS sku,
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        subtotal_amount,
        pec_percent,
        from_units10(credit_units10(subtotal_amount, CAST(pec_percent * 10000 AS BIGINT))) AS credit_amount,
        from_units10(
            divide_half_away(
                (abs(units18(coalesce(fx_rate, 1))) // 100 + one_minor_unit18($minor_decimals)) * CAST(pec_percent * 10000 AS BIGINT),
                CAST(1000000 - CAST(pec_percent * 10000 AS BIGINT) AS HUGEINT) * 100000000
            )
        ) AS bound_amount
    FROM cost.invoice_lines
    WHERE
        billing_month = $billing_month
        AND currency = $currency
        AND NOT is_estimate
        AND (is_in_daily_usage OR pec_percent > 0)
),

lines AS (
    SELECT
        invoice_number,
        customer,
        subscription,
        product,
        sku,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        count(*) AS line_count,
        sum(subtotal_amount) AS subtotal_amount,
        max(pec_percent) AS percent,
        sum(credit_amount) AS credit_amount,
        sum(bound_amount) AS bound_amount
    FROM stated
    GROUP BY invoice_number, customer, subscription, product, sku
),

compared AS (
    SELECT
        coalesce(lines.invoice_number, used.invoice_number) AS invoice_number,
        coalesce(lines.customer_id, used.customer_id) AS customer_id,
        coalesce(lines.subscription_id, used.subscription_id) AS subscription_id,
        coalesce(lines.product_id, used.product_id) AS product_id,
        coalesce(lines.sku_id, used.sku_id) AS sku_id,
        coalesce(lines.line_count, 0) AS line_count,
        coalesce(used.usage_rows, 0) AS usage_rows,
        coalesce(lines.subtotal_amount, 0) AS subtotal_amount,
        coalesce(used.net_amount, 0) AS net_amount,
        lines.percent AS stated_percent,
        used.percent AS usage_percent,
        coalesce(lines.credit_amount, 0) AS stated_credit_amount,
        coalesce(used.credit_amount, 0) AS usage_credit_amount,
        coalesce(lines.credit_amount, 0) - coalesce(used.credit_amount, 0) AS difference_amount,
        coalesce(lines.bound_amount, 0) AS bound_amount
    FROM lines
    FULL JOIN used
        ON
            lines.invoice_number = used.invoice_number
            AND lines.customer IS NOT DISTINCT FROM used.customer
            AND lines.subscription IS NOT DISTINCT FROM used.subscription
            AND lines.product IS NOT DISTINCT FROM used.product
            AND lines.sku IS NOT DISTINCT FROM used.sku
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    *,
    CASE
        WHEN difference_amount = 0 THEN 'equal'
        WHEN abs(difference_amount) <= bound_amount THEN 'within_rounding'
        ELSE 'differs'
    END AS comparison_state
FROM compared
