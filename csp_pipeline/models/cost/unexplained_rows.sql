-- Where an unexplained amount between lines and usage may come from; the amounts of an invoice sum to its usage gap.
WITH parts AS (
    SELECT *
    FROM cost.proof_parts
    WHERE billing_month = $billing_month AND currency = $currency
),

open_groups AS (
    SELECT
        invoice_number,
        coalesce(id_key(customer_id), '') AS customer,
        coalesce(id_key(subscription_id), '') AS subscription,
        coalesce(id_key(product_id), '') AS product,
        coalesce(id_key(sku_id), '') AS sku,
        pec_percent
    FROM parts
    WHERE kind = 'compared_group' AND unexplained_amount <> 0
),

lines AS (
    SELECT *
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND is_in_daily_usage AND NOT is_estimate
),

usage_groups AS (
    SELECT *
    FROM cost.usage_groups
    WHERE billing_month = $billing_month AND currency = $currency
),

found AS (
    SELECT
        invoice_number,
        line_id,
        source_file,
        source_row,
        customer_id,
        subscription_id,
        gap_amount AS amount,
        'usage_row_differs_from_its_price' AS reason
    FROM cost.usage_row_gaps
    WHERE billing_month = $billing_month AND currency = $currency
    UNION ALL
    SELECT
        line.invoice_number,
        line.line_id,
        line.source_file,
        line.source_row,
        line.customer_id,
        line.subscription_id,
        parts.subtotal_amount - parts.formula_amount AS amount,
        'line_differs_from_published_formula' AS reason
    FROM parts
    INNER JOIN lines AS line ON parts.line_id = line.line_id
    WHERE parts.subtotal_amount <> parts.formula_amount
    UNION ALL
    SELECT
        line.invoice_number,
        line.line_id,
        line.source_file,
        line.source_row,
        line.customer_id,
        line.subscription_id,
        line.subtotal_amount AS amount,
        'line_without_matching_usage' AS reason
    FROM lines AS line
    INNER JOIN open_groups
        ON
            line.invoice_number = open_groups.invoice_number
            AND open_groups.customer = coalesce(id_key(line.customer_id), '')
            AND open_groups.subscription = coalesce(id_key(line.subscription_id), '')
            AND open_groups.product = coalesce(id_key(line.product_id), '')
            AND open_groups.sku = coalesce(id_key(line.sku_id), '')
            AND line.pec_percent = open_groups.pec_percent
    ANTI JOIN usage_groups AS taken ON line.line_id = taken.line_id
    UNION ALL
    SELECT
        usage.invoice_number,
        NULL AS line_id,
        NULL AS source_file,
        NULL AS source_row,
        usage.customer_id,
        usage.subscription_id,
        -usage.net_amount AS amount,
        'usage_without_matching_line, meter ' || coalesce(usage.meter_id, '') || ' ' || coalesce(usage.meter_name, '') AS reason
    FROM usage_groups AS usage
    INNER JOIN open_groups
        ON
            usage.invoice_number = open_groups.invoice_number
            AND open_groups.customer = coalesce(id_key(usage.customer_id), '')
            AND open_groups.subscription = coalesce(id_key(usage.subscription_id), '')
            AND open_groups.product = coalesce(id_key(usage.product_id), '')
            AND open_groups.sku = coalesce(id_key(usage.sku_id), '')
            AND usage.pec_percent = open_groups.pec_percent
    WHERE usage.line_id IS NULL
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    *
FROM found
