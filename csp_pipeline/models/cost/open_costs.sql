-- What an open month will be billed, by the keys that contract lines name: its usage summed by Azure subscription, and its lines that
-- no usage stands behind. Usage counts for the month that will bill it, whatever its day.
WITH used AS (
    SELECT
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        min(nullif(trim(entitlement_id), '')) AS entitlement_id,
        sum(net_amount) AS net_amount,
        sum(pec_amount) AS pec_amount
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency AND is_estimate
    GROUP BY id_key(customer_id), id_key(subscription_id), id_key(product_id), id_key(sku_id), id_key(entitlement_id)
)

SELECT
    left(
        sha256(
            concat_ws(
                chr(31),
                'open usage',
                $billing_month,
                $currency,
                coalesce(id_key(customer_id), ''),
                coalesce(id_key(subscription_id), ''),
                coalesce(id_key(product_id), ''),
                coalesce(id_key(sku_id), ''),
                coalesce(id_key(entitlement_id), '')
            )
        ),
        32
    ) AS line_id,
    $billing_month AS billing_month,
    $currency AS currency,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    entitlement_id,
    'azure_plan' AS product_family,
    CAST(NULL AS VARCHAR) AS reseller_mpn_id,
    CAST($billing_month || '-01' AS DATE) AS service_start_on,
    last_day(CAST($billing_month || '-01' AS DATE)) AS service_end_on,
    net_amount,
    pec_amount
FROM used
UNION ALL
SELECT
    line_id,
    billing_month,
    currency,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    CAST(NULL AS VARCHAR) AS entitlement_id,
    product_family,
    reseller_mpn_id,
    service_starts_on(charge_start_on, order_on, billing_month) AS service_start_on,
    service_ends_on(charge_start_on, charge_end_on, order_on, billing_month) AS service_end_on,
    subtotal_amount AS net_amount,
    CAST(0 AS DECIMAL(38, 10)) AS pec_amount
FROM cost.invoice_lines
WHERE billing_month = $billing_month AND currency = $currency AND is_estimate AND NOT is_in_daily_usage
