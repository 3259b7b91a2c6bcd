-- Daily usage summed by customer and day, billed and of the open month apart.
SELECT
    $billing_month AS billing_month,
    is_estimate,
    $currency AS currency,
    min(customer_id) AS customer_id,
    usage_on,
    sum(net_amount) AS net_amount
FROM (
    SELECT
        is_estimate,
        customer_id,
        usage_on,
        sum(net_amount) AS net_amount
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY ALL
) AS as_sent
GROUP BY is_estimate, id_key(customer_id), usage_on
