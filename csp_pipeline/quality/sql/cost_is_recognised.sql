-- Over all months, the cost recognised in a currency is the subtotal of all billed cost lines in it.
WITH recognised AS (
    SELECT
        cost_currency AS currency,
        sum(cost_original_amount) AS amount
    FROM reconciliation.revenue_vs_cost
    WHERE cost_currency IS NOT NULL
    GROUP BY ALL
),

billed AS (
    SELECT
        currency,
        sum(subtotal_amount) AS amount
    FROM cost.invoice_lines
    WHERE NOT is_estimate
    GROUP BY ALL
)

SELECT
    coalesce(billed.currency, recognised.currency) AS subject,
    coalesce(billed.amount, 0) || ' billed by the provider' AS expected,
    coalesce(recognised.amount, 0) || ' recognised' AS found
FROM billed
FULL JOIN recognised ON billed.currency = recognised.currency
WHERE coalesce(billed.amount, 0) <> coalesce(recognised.amount, 0)
ORDER BY abs(coalesce(billed.amount, 0) - coalesce(recognised.amount, 0)) DESC, subject
