-- Earned and forgone credit by resource and day. The day on which access was lost concerns all months of a resource; it is
-- filled afterwards, see access_lost.sql.
SELECT
    billing_month,
    usage_on,
    customer_id,
    entitlement_id,
    resource_group,
    resource_id,
    currency,
    coalesce(sum(net_amount) FILTER (WHERE is_pec_eligible), 0) AS eligible_amount,
    sum(pec_amount) AS earned_amount,
    sum(pec_forgone_amount) AS forgone_amount,
    CAST(NULL AS DATE) AS access_lost_on,
    bool_or(pec_percent > 0) AS has_credit,
    bool_or(is_pec_eligible AND pec_percent = 0) AS lacks_credit,
    is_estimate,
    sum(net_amount) AS net_amount,
    sum(gross_amount) AS gross_amount
FROM cost.daily_usage
WHERE billing_month = $billing_month AND currency = $currency
GROUP BY ALL
