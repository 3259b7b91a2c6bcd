-- The billed provider amounts that revenue is compared with. Consumption of one calendar month is summed per key; seats stay
-- single. A line that states no quantity carries no seats.
SELECT
    list(line_id ORDER BY line_id) AS line_ids,
    account_id,
    contract_line_id,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    max(product_name) AS product_name,
    product_family,
    is_consumption,
    is_credit,
    charge_type,
    start_on,
    end_on,
    sum(amount) AS amount,
    currency,
    billing_month,
    sum(coalesce(quantity, 0)) AS quantity,
    max(unit_price) AS unit_price,
    max(fx_rate) AS fx_rate,
    billing_frequency,
    subscription_starts_on,
    provider
FROM billed_pieces
GROUP BY
    account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id, product_family, is_consumption, is_credit,
    charge_type, start_on, end_on, currency, billing_month, billing_frequency, subscription_starts_on, provider,
    CASE WHEN is_consumption AND date_trunc('month', start_on) = date_trunc('month', end_on) THEN '' ELSE line_id END,
    CASE WHEN is_consumption AND date_trunc('month', start_on) = date_trunc('month', end_on) THEN '' ELSE entitlement_id END
ORDER BY ALL
