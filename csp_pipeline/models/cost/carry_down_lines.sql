-- The billed lines of family azure_plan that have daily usage, numbered, with the units of 1E-10 to carry down.
SELECT
    line_id,
    invoice_number,
    coalesce(id_key(customer_id), '') AS customer,
    coalesce(id_key(subscription_id), '') AS subscription,
    coalesce(id_key(product_id), '') AS product,
    coalesce(id_key(sku_id), '') AS sku,
    pec_percent,
    subtotal_amount,
    sign(units18(subtotal_amount)) AS direction,
    abs(units18(subtotal_amount)) // 100000000 AS units,
    CAST(row_number() OVER (ORDER BY line_id) AS INTEGER) AS line_number
FROM cost.invoice_lines
WHERE
    billing_month = $billing_month
    AND currency = $currency
    AND product_family = 'azure_plan'
    AND is_in_daily_usage
    AND NOT is_estimate
