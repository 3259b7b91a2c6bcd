-- Over all months, the revenue recognised in a currency is the net amount of all our invoice lines in it.
WITH recognised AS (
    SELECT
        currency,
        sum(revenue_amount) AS amount
    FROM reconciliation.revenue_vs_cost
    GROUP BY ALL
),

charged AS (
    SELECT
        currency,
        sum(net_amount) AS amount
    FROM billing.invoice_lines
    GROUP BY ALL
)

SELECT
    coalesce(charged.currency, recognised.currency) AS subject,
    coalesce(charged.amount, 0) || ' on our invoices' AS expected,
    coalesce(recognised.amount, 0) || ' recognised' AS found
FROM charged
FULL JOIN recognised ON charged.currency = recognised.currency
WHERE coalesce(charged.amount, 0) <> coalesce(recognised.amount, 0)
ORDER BY abs(coalesce(charged.amount, 0) - coalesce(recognised.amount, 0)) DESC, subject
