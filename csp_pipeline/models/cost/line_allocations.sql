-- The lines of family azure_plan carried down to Azure subscriptions: sums of the finer parts.
SELECT
    billing_month,
    currency,
    line_id,
    min(customer_id) AS customer_id,
    min(subscription_id) AS subscription_id,
    min(product_id) AS product_id,
    min(sku_id) AS sku_id,
    min(nullif(trim(entitlement_id), '')) AS entitlement_id,
    sum(billed_amount) AS billed_amount
FROM cost.resource_allocations
WHERE billing_month = $billing_month AND currency = $currency
GROUP BY billing_month, currency, line_id, id_key(entitlement_id)
