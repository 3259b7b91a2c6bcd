-- The trend of sync health: on each day reconciled how many subscriptions only one side knows, and what that day is worth.
WITH lines AS (
    SELECT
        'billing' AS side_missing,
        id_key(line.customer_id) AS customer_key,
        id_key(line.subscription_id) AS subscription_key,
        line.currency,
        units10(line.subtotal_amount) AS units,
        service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS start_on,
        service_ends_on(line.charge_start_on, line.charge_end_on, line.order_on, line.billing_month) AS end_on,
        DATE '0001-01-01' AS since_on,
        DATE '9999-12-31' AS until_on
    FROM cost.invoice_lines AS line
    INNER JOIN billing.cost_matches AS matched
        ON line.line_id = matched.line_id AND NOT matched.is_estimate AND matched.contract_line_id IS NULL
    WHERE NOT line.is_estimate AND line.subscription_id IS NOT NULL AND line.product_family <> 'azure_plan'
    UNION ALL
    SELECT
        'provider' AS side_missing,
        id_key(part.customer_id) AS customer_key,
        id_key(part.subscription_id) AS subscription_key,
        line.currency,
        units10(line.net_amount) AS units,
        line.service_start_on AS start_on,
        greatest(line.service_end_on, line.service_start_on) AS end_on,
        CAST(part.service_month || '-01' AS DATE) AS since_on,
        last_day(CAST(part.service_month || '-01' AS DATE)) AS until_on
    FROM reconciliation.differences AS part
    INNER JOIN billing.invoice_lines AS line
        ON part.contract_line_id = line.contract_line_id AND part.currency = line.currency
    WHERE part.cause = 'revenue_without_cost' AND part.subscription_id IS NOT NULL
),

days AS (
    SELECT
        *,
        unnest(
            generate_series(
                CAST(greatest(start_on, since_on, CAST($first || '-01' AS DATE)) AS TIMESTAMP),
                CAST(least(end_on, until_on, CAST($as_of_on AS DATE)) AS TIMESTAMP),
                INTERVAL 1 DAY
            )
        ) AS day_
    FROM lines
)

SELECT
    CAST(day_ AS DATE) AS as_of_on,
    side_missing,
    currency,
    count(DISTINCT [customer_key, subscription_key]) AS subscription_count,
    from_units10(
        sum(
            first_days_units(
                units, date_diff('day', start_on, end_on) + 1, date_diff('day', start_on, CAST(day_ AS DATE)) + 1
            )
            - first_days_units(units, date_diff('day', start_on, end_on) + 1, date_diff('day', start_on, CAST(day_ AS DATE)))
        )
    ) AS daily_amount
FROM days
GROUP BY day_, side_missing, currency
