-- Usage rows of matched lines whose net amount is not their pricing amount x the line's exchange rate, by more than 0.000001.
-- A rate of at most twelve decimals is compared as a whole number of 1E-12, which needs no 128-bit division; else exactly.
WITH lines AS (
    SELECT
        matched.*,
        line.line_id,
        units18(coalesce(line.fx_rate, 1)) AS fx_units,
        CASE
            WHEN coalesce(line.fx_rate, 1) < 1000000 AND units18(coalesce(line.fx_rate, 1)) % 1000000 = 0
                THEN CAST(units18(coalesce(line.fx_rate, 1)) // 1000000 AS DECIMAL(38, 0))
        END AS fx_units12,
        10000000 // (1 + CAST(trunc(coalesce(line.fx_rate, 1)) AS BIGINT)) AS largest_short_amount
    FROM cost.invoice_lines AS line
    INNER JOIN (
        SELECT
            line_id AS matched_line_id,
            invoice_number,
            coalesce(id_key(customer_id), '') AS customer,
            coalesce(id_key(subscription_id), '') AS subscription,
            coalesce(id_key(product_id), '') AS product,
            coalesce(id_key(sku_id), '') AS sku,
            coalesce(id_key(meter_id), '') AS meter,
            pec_percent
        FROM cost.usage_groups
        WHERE billing_month = $billing_month AND currency = $currency AND line_id IS NOT NULL
    ) AS matched ON line.line_id = matched.matched_line_id
    WHERE line.billing_month = $billing_month AND line.currency = $currency AND NOT line.is_estimate
),

keys_as_sent AS (
    SELECT DISTINCT
        invoice_number,
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        meter_id,
        pec_percent
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
),

billed_keys AS (
    SELECT
        sent.invoice_number,
        sent.customer_id,
        sent.subscription_id,
        sent.product_id,
        sent.sku_id,
        sent.meter_id,
        sent.pec_percent,
        lines.line_id,
        lines.fx_units,
        lines.fx_units12,
        lines.largest_short_amount
    FROM keys_as_sent AS sent
    INNER JOIN lines
        ON
            sent.invoice_number = lines.invoice_number
            AND sent.pec_percent = lines.pec_percent
            AND lines.customer = coalesce(id_key(sent.customer_id), '')
            AND lines.subscription = coalesce(id_key(sent.subscription_id), '')
            AND lines.product = coalesce(id_key(sent.product_id), '')
            AND lines.sku = coalesce(id_key(sent.sku_id), '')
            AND lines.meter = coalesce(id_key(sent.meter_id), '')
),

apart AS (
    SELECT
        usage.*,
        billed.line_id,
        billed.fx_units
    FROM cost.daily_usage AS usage
    INNER JOIN billed_keys AS billed
        ON
            usage.invoice_number = billed.invoice_number
            AND billed.customer_id IS NOT DISTINCT FROM usage.customer_id
            AND billed.subscription_id IS NOT DISTINCT FROM usage.subscription_id
            AND billed.product_id IS NOT DISTINCT FROM usage.product_id
            AND billed.sku_id IS NOT DISTINCT FROM usage.sku_id
            AND billed.meter_id IS NOT DISTINCT FROM usage.meter_id
            AND usage.pec_percent = billed.pec_percent
    WHERE
        usage.billing_month = $billing_month
        AND usage.currency = $currency
        AND CASE
            WHEN
                billed.fx_units12 IS NOT NULL
                AND abs(usage.net_amount) < 10000000
                AND abs(coalesce(usage.pricing_amount, 0)) < billed.largest_short_amount
                THEN
                    abs(usage.net_amount * 1000000000000 - coalesce(usage.pricing_amount, 0) * billed.fx_units12) > 1000000
            ELSE product_differs(usage.net_amount, coalesce(usage.pricing_amount, 0), billed.fx_units)
        END
)

SELECT
    billing_month,
    currency,
    invoice_number,
    line_id,
    source_file,
    source_row,
    customer_id,
    subscription_id,
    usage_on,
    net_amount,
    coalesce(pricing_amount, 0) AS pricing_amount,
    from_units18(fx_units) AS fx_rate,
    from_units18(
        product_units18(units18(coalesce(pricing_amount, 0)), fx_units) - units18(net_amount)
    ) AS gap_amount
FROM apart
