-- Where amounts may go: billed usage summed by its keys, credit percentage, Azure subscription, resource group, resource and tags,
-- as sent.
SELECT
    invoice_number,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    meter_id,
    pec_percent,
    entitlement_id,
    resource_group,
    resource_id,
    tags,
    count(*) AS usage_rows,
    sum(abs(net_amount)) AS net_weight,
    sum(abs(coalesce(quantity, 0))) AS quantity_weight,
    CAST(row_number() OVER () AS INTEGER) AS target_number
FROM cost.daily_usage
WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
GROUP BY
    invoice_number, customer_id, subscription_id, product_id, sku_id, meter_id, pec_percent,
    entitlement_id, resource_group, resource_id, tags
