-- Net, earned and forgone credit from usage beside the billed amount carried down, per Azure subscription. Of an open month
-- there is usage alone.
WITH amounts AS (
    SELECT
        FALSE AS is_estimate,
        customer_id,
        subscription_id,
        entitlement_id,
        net_amount,
        pec_amount,
        gross_amount,
        pec_forgone_amount,
        CAST(0 AS DECIMAL(38, 18)) AS billed_amount
    FROM cost.usage_by_sku
    WHERE billing_month = $billing_month AND currency = $currency
    UNION ALL
    SELECT
        FALSE AS is_estimate,
        customer_id,
        subscription_id,
        entitlement_id,
        CAST(0 AS DECIMAL(38, 18)) AS net_amount,
        CAST(0 AS DECIMAL(38, 10)) AS pec_amount,
        CAST(0 AS DECIMAL(38, 10)) AS gross_amount,
        CAST(0 AS DECIMAL(38, 10)) AS pec_forgone_amount,
        billed_amount
    FROM cost.line_allocations
    WHERE billing_month = $billing_month AND currency = $currency
    UNION ALL
    SELECT
        TRUE AS is_estimate,
        customer_id,
        subscription_id,
        nullif(trim(entitlement_id), '') AS entitlement_id,
        sum(net_amount) AS net_amount,
        sum(pec_amount) AS pec_amount,
        sum(gross_amount) AS gross_amount,
        sum(pec_forgone_amount) AS pec_forgone_amount,
        CAST(0 AS DECIMAL(38, 18)) AS billed_amount
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency AND is_estimate
    GROUP BY ALL
)

SELECT
    $billing_month AS billing_month,
    is_estimate,
    min(customer_id) AS customer_id,
    min(subscription_id) AS subscription_id,
    min(entitlement_id) AS entitlement_id,
    $currency AS currency,
    sum(net_amount) AS net_amount,
    sum(pec_amount) AS pec_amount,
    sum(gross_amount) AS gross_amount,
    sum(pec_forgone_amount) AS pec_forgone_amount,
    sum(billed_amount) AS billed_amount
FROM amounts
GROUP BY is_estimate, id_key(customer_id), id_key(subscription_id), id_key(entitlement_id)
