-- The proof of the lines in daily usage: each matched line with the amount the published formula gives and its rounding, and the
-- lines and usage that match nothing, compared as groups. Whole numbers of 1E-18, digits below in units of 1E-36.
WITH lines AS (
    SELECT
        line_id,
        invoice_number,
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        pec_percent,
        units18(subtotal_amount) AS subtotal_units,
        units18(coalesce(fx_rate, 1)) AS fx_units
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND is_in_daily_usage AND NOT is_estimate
),

usage_groups AS (
    SELECT *
    FROM cost.usage_groups
    WHERE billing_month = $billing_month AND currency = $currency
),

gaps AS (
    SELECT
        line_id,
        units18(sum(net_amount)) AS net_units,
        units18(sum(pricing_amount)) AS pricing_units
    FROM cost.usage_row_gaps
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY line_id
),

matched AS (
    SELECT
        lines.*,
        units18(usage_groups.net_amount) AS net_units,
        usage_line_minor_units(units18(usage_groups.pricing_amount), lines.fx_units, $minor_decimals)
        * one_minor_unit18($minor_decimals) AS formula_units,
        coalesce(gaps.net_units, 0) AS apart_net_units,
        product_units18(coalesce(gaps.pricing_units, 0), lines.fx_units) AS apart_units,
        product_units36(coalesce(gaps.pricing_units, 0), lines.fx_units) AS apart_rest
    FROM lines
    INNER JOIN usage_groups ON lines.line_id = usage_groups.line_id
    LEFT JOIN gaps ON lines.line_id = gaps.line_id
),

unmatched_lines AS (
    SELECT
        invoice_number,
        coalesce(id_key(customer_id), '') AS customer,
        coalesce(id_key(subscription_id), '') AS subscription,
        coalesce(id_key(product_id), '') AS product,
        coalesce(id_key(sku_id), '') AS sku,
        pec_percent,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        count(*) AS line_count,
        sum(subtotal_units) AS subtotal_units,
        sum(fx_units + 100 * one_minor_unit18($minor_decimals)) AS bound_hundredfold
    FROM lines
    ANTI JOIN usage_groups ON lines.line_id = usage_groups.line_id
    GROUP BY ALL
),

unmatched_usage AS (
    SELECT
        invoice_number,
        coalesce(id_key(customer_id), '') AS customer,
        coalesce(id_key(subscription_id), '') AS subscription,
        coalesce(id_key(product_id), '') AS product,
        coalesce(id_key(sku_id), '') AS sku,
        pec_percent,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        units18(sum(net_amount)) AS net_units
    FROM usage_groups
    WHERE line_id IS NULL
    GROUP BY ALL
),

compared AS (
    SELECT
        coalesce(line.invoice_number, usage.invoice_number) AS invoice_number,
        coalesce(line.customer_id, usage.customer_id) AS customer_id,
        coalesce(line.subscription_id, usage.subscription_id) AS subscription_id,
        coalesce(line.product_id, usage.product_id) AS product_id,
        coalesce(line.sku_id, usage.sku_id) AS sku_id,
        coalesce(line.pec_percent, usage.pec_percent) AS pec_percent,
        coalesce(line.line_count, 0) AS line_count,
        coalesce(line.subtotal_units, 0) AS subtotal_units,
        coalesce(usage.net_units, 0) AS net_units,
        coalesce(line.subtotal_units, 0) - coalesce(usage.net_units, 0) AS residual_units,
        100 * abs(coalesce(line.subtotal_units, 0) - coalesce(usage.net_units, 0)) <= coalesce(line.bound_hundredfold, 0) AS is_bounded
    FROM unmatched_lines AS line
    FULL JOIN unmatched_usage AS usage USING (invoice_number, customer, subscription, product, sku, pec_percent)
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    invoice_number,
    'matched_line' AS kind,
    line_id,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    pec_percent,
    CAST(1 AS BIGINT) AS line_count,
    from_units18(subtotal_units) AS subtotal_amount,
    from_units18(net_units) AS net_amount,
    from_units18(formula_units) AS formula_amount,
    from_units18(formula_units - (net_units - apart_net_units) - apart_units) AS rounding_amount,
    -apart_rest AS rounding_rest,
    CAST(0 AS DECIMAL(38, 18)) AS bounded_amount,
    from_units18(subtotal_units - formula_units + apart_units - apart_net_units) AS unexplained_amount,
    apart_rest AS unexplained_rest
FROM matched
UNION ALL
SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    invoice_number,
    'compared_group' AS kind,
    NULL AS line_id,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    pec_percent,
    line_count,
    from_units18(subtotal_units) AS subtotal_amount,
    from_units18(net_units) AS net_amount,
    NULL AS formula_amount,
    CAST(0 AS DECIMAL(38, 18)) AS rounding_amount,
    CAST(0 AS HUGEINT) AS rounding_rest,
    from_units18(CASE WHEN is_bounded THEN residual_units ELSE 0 END) AS bounded_amount,
    from_units18(CASE WHEN is_bounded THEN 0 ELSE residual_units END) AS unexplained_amount,
    CAST(0 AS HUGEINT) AS unexplained_rest
FROM compared
