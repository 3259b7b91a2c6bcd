-- Revenue, cost and differences of each month in each currency; a sum of which a part is unknown is NULL.
WITH unconverted AS (
    SELECT
        service_month,
        currency,
        string_agg(trim_number(amount) || ' ' || cost_currency, ', ' ORDER BY cost_currency) AS costs,
        list(cost_currency ORDER BY cost_currency) AS currencies
    FROM (
        SELECT
            service_month,
            currency,
            cost_currency,
            sum(cost_original_amount) AS amount
        FROM reconciliation.revenue_vs_cost
        WHERE cost_amount IS NULL AND (cost_original_amount <> 0 OR cost_billed_amount IS NULL)
        GROUP BY ALL
    )
    GROUP BY ALL
),

sums AS (
    SELECT
        service_month,
        currency,
        sum(revenue_amount) AS revenue_amount,
        CASE WHEN bool_and(cost_amount IS NOT NULL OR coalesce(cost_original_amount, 0) = 0) THEN sum(coalesce(cost_amount, 0)) END
            AS cost_amount,
        CASE WHEN bool_and(difference_amount IS NOT NULL) THEN sum(difference_amount) END AS difference_amount,
        sum(revenue_billed_amount) AS revenue_billed_amount,
        CASE WHEN bool_and(cost_billed_amount IS NOT NULL) THEN sum(cost_billed_amount) END AS cost_billed_amount
    FROM reconciliation.revenue_vs_cost
    GROUP BY ALL
)

SELECT
    sums.*,
    coalesce(share.unexplained_amount, 0) AS unexplained_amount,
    coalesce(share.open_amount, 0) AS open_amount,
    unconverted.costs AS unconverted_costs,
    coalesce(unconverted.currencies, []) AS unconverted_currencies
FROM sums
LEFT JOIN reconciliation.explained_share AS share ON sums.service_month = share.service_month AND sums.currency = share.currency
LEFT JOIN unconverted ON sums.service_month = unconverted.service_month AND sums.currency = unconverted.currency
ORDER BY sums.service_month, sums.currency
