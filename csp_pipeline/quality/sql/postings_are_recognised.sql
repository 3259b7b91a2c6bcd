-- What is posted over all posting months, drafts included, is what is recognised over all service months, by side and currency.
WITH posted AS (
    SELECT
        side,
        currency,
        sum(net_amount) AS amount
    FROM reconciliation.postings
    GROUP BY ALL
),

recognised AS (
    SELECT
        'revenue' AS side,
        currency,
        sum(CAST(revenue_amount AS DECIMAL(38, 18))) AS amount
    FROM reconciliation.revenue_vs_cost
    GROUP BY ALL
    UNION ALL
    SELECT
        'cost' AS side,
        cost_currency AS currency,
        sum(cost_original_amount) AS amount
    FROM reconciliation.revenue_vs_cost
    WHERE cost_currency IS NOT NULL
    GROUP BY ALL
)

SELECT
    coalesce(recognised.side, posted.side) || ' ' || coalesce(recognised.currency, posted.currency) AS subject,
    coalesce(recognised.amount, 0) || ' recognised' AS expected,
    coalesce(posted.amount, 0) || ' posted' AS found
FROM recognised
FULL JOIN posted ON recognised.side = posted.side AND recognised.currency = posted.currency
WHERE coalesce(recognised.amount, 0) <> coalesce(posted.amount, 0)
ORDER BY abs(coalesce(recognised.amount, 0) - coalesce(posted.amount, 0)) DESC, subject
