-- The credit accrued over all months is the credit that billed usage earned, and what is open is earned and not received.
WITH accrued AS (
    SELECT
        currency,
        sum(earned_amount) AS earned,
        sum(received_amount) AS received,
        sum(open_amount) FILTER (WHERE is_last) AS open_amount
    FROM (
        SELECT
            *,
            billing_month = max(billing_month) OVER (PARTITION BY currency, id_key(customer_id)) AS is_last
        FROM cost.credit_accruals
    ) AS rows_by_month
    GROUP BY ALL
),

billed AS (
    SELECT
        currency,
        sum(pec_amount) AS earned
    FROM cost.azure_plan_costs
    WHERE NOT is_estimate
    GROUP BY ALL
)

SELECT
    coalesce(billed.currency, accrued.currency) AS subject,
    coalesce(billed.earned, 0) || ' earned, ' || coalesce(accrued.earned - accrued.received, 0) || ' open' AS expected,
    coalesce(accrued.earned, 0) || ' accrued, ' || coalesce(accrued.open_amount, 0) || ' open' AS found
FROM billed
FULL JOIN accrued ON billed.currency = accrued.currency
WHERE
    coalesce(billed.earned, 0) <> coalesce(accrued.earned, 0)
    OR coalesce(accrued.earned - accrued.received, 0) <> coalesce(accrued.open_amount, 0)
ORDER BY abs(coalesce(billed.earned, 0) - coalesce(accrued.earned, 0)) DESC, subject
