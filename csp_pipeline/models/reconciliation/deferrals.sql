-- What was billed through a month and is earned, or used, only after it: deferred revenue of our documents, deferred cost of the
-- provider's, by document line, at the end of each month.
WITH lines AS (
    SELECT
        'revenue' AS side,
        NULL AS provider,
        coalesce(document.invoice_number, line.invoice_id) AS document_id,
        line.invoice_id || ':' || line.line_number AS line_id,
        line.billing_month,
        line.account_id,
        line.contract_line_id,
        line.customer_id,
        line.subscription_id,
        line.service_start_on AS start_on,
        greatest(line.service_end_on, line.service_start_on) AS end_on,
        CAST(line.net_amount AS DECIMAL(38, 18)) AS amount,
        line.currency
    FROM billing.invoice_lines AS line
    INNER JOIN billing.invoices AS document ON line.invoice_id = document.invoice_id
    UNION ALL
    SELECT
        'cost' AS side,
        coalesce(provider, 'microsoft') AS provider,
        invoice_number AS document_id,
        line_id,
        billing_month,
        NULL AS account_id,
        NULL AS contract_line_id,
        customer_id,
        subscription_id,
        service_starts_on(charge_start_on, order_on, billing_month) AS start_on,
        service_ends_on(charge_start_on, charge_end_on, order_on, billing_month) AS end_on,
        CAST(subtotal_amount AS DECIMAL(38, 18)) AS amount,
        currency
    FROM cost.invoice_lines
    WHERE NOT is_estimate
),

months AS (
    SELECT
        strftime(month_start, '%Y-%m') AS as_of_month,
        last_day(month_start) AS as_of_on
    FROM (
        SELECT
            unnest(
                generate_series(
                    CAST($first || '-01' AS TIMESTAMP), CAST($through || '-01' AS TIMESTAMP), INTERVAL 1 MONTH
                )
            ) AS month_start
    )
),

left_over AS (
    SELECT
        months.as_of_month,
        line.*,
        least(greatest(date_diff('day', line.start_on, months.as_of_on) + 1, 0), date_diff('day', line.start_on, line.end_on) + 1)
            AS days_before,
        date_diff('day', line.start_on, line.end_on) + 1 AS days,
        -- what lies below 1E-10 is recognised on the first day
        CAST(trunc(line.amount, 10) AS DECIMAL(38, 10)) AS whole_amount
    FROM months
    INNER JOIN lines AS line ON months.as_of_month >= line.billing_month AND months.as_of_on < line.end_on
)

SELECT
    as_of_month,
    side,
    provider,
    document_id,
    line_id,
    billing_month,
    account_id,
    contract_line_id,
    customer_id,
    subscription_id,
    start_on AS service_start_on,
    end_on AS service_end_on,
    amount AS billed_amount,
    CAST(amount AS DECIMAL(38, 18)) - CASE
        WHEN days_before = 0 THEN CAST(amount AS DECIMAL(38, 18))
        ELSE
            CAST(
                from_units10(units10(whole_amount) - first_days_units(units10(whole_amount), days, days_before)) AS DECIMAL(38, 18)
            )
    END AS recognised_amount,
    CASE
        WHEN days_before = 0 THEN CAST(amount AS DECIMAL(38, 18))
        ELSE
            CAST(
                from_units10(units10(whole_amount) - first_days_units(units10(whole_amount), days, days_before)) AS DECIMAL(38, 18)
            )
    END AS deferred_amount,
    currency
FROM left_over
WHERE amount <> 0
