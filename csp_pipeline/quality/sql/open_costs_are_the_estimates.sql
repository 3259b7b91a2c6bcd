-- What drafts of an open month rest on is its estimated usage and its estimated lines without usage, to the last digit.
WITH estimated AS (
    SELECT
        billing_month,
        currency,
        sum(amount) AS amount
    FROM (
        SELECT
            billing_month,
            currency,
            net_amount AS amount
        FROM cost.usage_by_day
        WHERE is_estimate
        UNION ALL
        SELECT
            billing_month,
            currency,
            subtotal_amount AS amount
        FROM cost.invoice_lines
        WHERE is_estimate AND NOT is_in_daily_usage
    ) AS estimates
    GROUP BY ALL
),

opened AS (
    SELECT
        billing_month,
        currency,
        sum(net_amount) AS amount
    FROM cost.open_costs
    GROUP BY ALL
)

SELECT
    coalesce(estimated.billing_month, opened.billing_month) || ' ' || coalesce(estimated.currency, opened.currency) AS subject,
    coalesce(estimated.amount, 0) || ' estimated' AS expected,
    coalesce(opened.amount, 0) || ' by keys of contract lines' AS found
FROM estimated
FULL JOIN opened ON estimated.billing_month = opened.billing_month AND estimated.currency = opened.currency
WHERE coalesce(estimated.amount, 0) <> coalesce(opened.amount, 0)
ORDER BY abs(coalesce(estimated.amount, 0) - coalesce(opened.amount, 0)) DESC, subject
