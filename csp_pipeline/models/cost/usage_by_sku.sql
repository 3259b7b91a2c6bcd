-- Billed daily usage summed by Azure subscription, product and SKU.
WITH as_sent AS (
    SELECT
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        entitlement_id,
        sum(net_amount) AS net_amount,
        sum(pec_amount) AS pec_amount,
        sum(gross_amount) AS gross_amount,
        sum(pec_forgone_amount) AS pec_forgone_amount
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
    GROUP BY ALL
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    min(customer_id) AS customer_id,
    min(subscription_id) AS subscription_id,
    min(product_id) AS product_id,
    min(sku_id) AS sku_id,
    min(nullif(trim(entitlement_id), '')) AS entitlement_id,
    sum(net_amount) AS net_amount,
    sum(pec_amount) AS pec_amount,
    sum(gross_amount) AS gross_amount,
    sum(pec_forgone_amount) AS pec_forgone_amount
FROM as_sent
GROUP BY id_key(customer_id), id_key(subscription_id), id_key(product_id), id_key(sku_id), id_key(entitlement_id)
