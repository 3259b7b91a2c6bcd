-- At each month's end, billed through it + recognised before it is billed - recognised through it = deferred, by side and currency.
WITH lines AS (
    SELECT
        'revenue' AS side,
        billing_month,
        service_start_on AS start_on,
        greatest(service_end_on, service_start_on) AS end_on,
        CAST(net_amount AS DECIMAL(38, 18)) AS amount,
        currency,
        0 AS parts
    FROM billing.invoice_lines
    UNION ALL
    SELECT
        'cost' AS side,
        line.billing_month,
        service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS start_on,
        service_ends_on(line.charge_start_on, line.charge_end_on, line.order_on, line.billing_month) AS end_on,
        CAST(line.subtotal_amount AS DECIMAL(38, 18)) AS amount,
        line.currency,
        coalesce(carried.parts, 0) AS parts
    FROM cost.invoice_lines AS line
    LEFT JOIN (
        SELECT
            line_id,
            count(*) AS parts
        FROM cost.line_allocations
        GROUP BY line_id
    ) AS carried ON line.line_id = carried.line_id AND line.product_family = 'azure_plan'
    WHERE NOT line.is_estimate
),

months AS (
    SELECT
        strftime(month_start, '%Y-%m') AS as_of_month,
        last_day(month_start) AS as_of_on
    FROM (
        SELECT unnest(generate_series(first_start, last_start, INTERVAL 1 MONTH)) AS month_start
        FROM (
            SELECT
                CAST(min(billing_month) || '-01' AS TIMESTAMP) AS first_start,
                CAST(max(billing_month) || '-01' AS TIMESTAMP) AS last_start
            FROM billing.drafted_months
        )
    )
),

-- what a line billed later has recognised already; what lies below 1E-10 is recognised on the first day
billed AS (
    SELECT
        months.as_of_month,
        line.side,
        line.currency,
        sum(
            CASE
                WHEN line.billing_month <= months.as_of_month OR line.end_on <= months.as_of_on THEN line.amount
                ELSE
                    line.amount - CAST(trunc(line.amount, 10) AS DECIMAL(38, 10))
                    + from_units10(
                        first_days_units(
                            units10(CAST(trunc(line.amount, 10) AS DECIMAL(38, 10))),
                            date_diff('day', line.start_on, line.end_on) + 1,
                            date_diff('day', line.start_on, months.as_of_on) + 1
                        )
                    )
            END
        ) AS amount,
        -- a line carried down is recognised part by part: each may fall on the other side of the month's end by one unit
        sum(CASE WHEN line.start_on <= months.as_of_on AND line.end_on > months.as_of_on THEN line.parts ELSE 0 END) AS bound
    FROM months
    INNER JOIN lines AS line ON months.as_of_month >= line.billing_month OR months.as_of_on >= line.start_on
    GROUP BY ALL
),

by_service_month AS (
    SELECT
        'revenue' AS side,
        service_month,
        currency,
        CAST(revenue_amount AS DECIMAL(38, 18)) AS amount
    FROM reconciliation.revenue_vs_cost
    UNION ALL
    SELECT
        'cost' AS side,
        service_month,
        cost_currency AS currency,
        cost_original_amount AS amount
    FROM reconciliation.revenue_vs_cost
    WHERE cost_currency IS NOT NULL
),

recognised AS (
    SELECT
        months.as_of_month,
        line.side,
        line.currency,
        sum(line.amount) AS amount
    FROM months
    INNER JOIN by_service_month AS line ON months.as_of_month >= line.service_month
    GROUP BY ALL
),

deferred AS (
    SELECT
        as_of_month,
        side,
        currency,
        sum(deferred_amount) AS amount
    FROM reconciliation.deferrals
    GROUP BY ALL
),

compared AS (
    SELECT
        coalesce(billed.as_of_month, recognised.as_of_month, deferred.as_of_month) AS as_of_month,
        coalesce(billed.side, recognised.side, deferred.side) AS side,
        coalesce(billed.currency, recognised.currency, deferred.currency) AS currency,
        coalesce(billed.amount, 0) AS billed_amount,
        coalesce(recognised.amount, 0) AS recognised_amount,
        coalesce(deferred.amount, 0) AS deferred_amount,
        coalesce(billed.bound, 0) AS bound
    FROM billed
    FULL JOIN recognised
        ON
            billed.as_of_month = recognised.as_of_month
            AND billed.side = recognised.side
            AND billed.currency = recognised.currency
    FULL JOIN deferred
        ON
            coalesce(billed.as_of_month, recognised.as_of_month) = deferred.as_of_month
            AND coalesce(billed.side, recognised.side) = deferred.side
            AND coalesce(billed.currency, recognised.currency) = deferred.currency
)

SELECT
    as_of_month || ' ' || side || ' ' || currency AS subject,
    (billed_amount - recognised_amount) || ' (' || billed_amount || ' billed less ' || recognised_amount
    || ' recognised)' AS expected,
    deferred_amount || ' deferred' AS found
FROM compared
WHERE abs(billed_amount - recognised_amount - deferred_amount) > CAST(bound AS DECIMAL(18, 0)) * CAST('0.0000000001' AS DECIMAL(11, 10))
ORDER BY abs(billed_amount - recognised_amount - deferred_amount) DESC, subject
