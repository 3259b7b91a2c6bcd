-- Opened up to lines, every row of revenue versus cost is the sum of its lines, and each upper level sums to all rows.
-- Converted cost is compared where every part of it has a rate.
WITH rows_ AS (
    SELECT
        service_month,
        currency,
        [account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id] AS row_key,
        coalesce(cost_currency, max(cost_currency) OVER (PARTITION BY service_month, account_id, currency), currency)
            AS cost_currency,
        revenue_amount,
        coalesce(cost_original_amount, 0) AS cost_original_amount,
        cost_amount,
        cost_amount IS NOT NULL OR coalesce(cost_original_amount, 0) = 0 AS is_costed
    FROM reconciliation.revenue_vs_cost
),

compared AS (
    SELECT
        'line' AS level,
        service_month,
        currency,
        cost_currency,
        row_key,
        CAST(sum(revenue_amount) AS DECIMAL(38, 18)) AS revenue_amount,
        sum(cost_original_amount) AS cost_original_amount,
        CASE WHEN bool_and(is_costed) THEN sum(cost_amount) END AS cost_amount
    FROM rows_
    GROUP BY ALL
    UNION ALL
    SELECT
        upper_level.level,
        row_.service_month,
        row_.currency,
        row_.cost_currency,
        [] AS row_key,
        CAST(sum(row_.revenue_amount) AS DECIMAL(38, 18)) AS revenue_amount,
        sum(row_.cost_original_amount) AS cost_original_amount,
        CASE WHEN bool_and(row_.is_costed) THEN sum(row_.cost_amount) END AS cost_amount
    FROM rows_ AS row_
    CROSS JOIN (VALUES ('account'), ('product_family'), ('subscription')) AS upper_level (level)
    GROUP BY ALL
),

opened AS (
    SELECT
        level,
        service_month,
        currency,
        cost_currency,
        CASE
            WHEN level = 'line' THEN [account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id] ELSE []
        END AS row_key,
        sum(revenue_amount) AS revenue_amount,
        sum(cost_original_amount) AS cost_original_amount,
        CASE WHEN bool_and(cost_amount IS NOT NULL OR coalesce(cost_original_amount, 0) = 0) THEN sum(cost_amount) END AS cost_amount
    FROM reconciliation.drill_down
    GROUP BY ALL
)

SELECT
    concat_ws(
        ' ',
        coalesce(compared.level, opened.level),
        coalesce(compared.service_month, opened.service_month),
        coalesce(compared.currency, opened.currency),
        nullif(array_to_string(coalesce(compared.row_key, opened.row_key), ' '), '')
    ) AS subject,
    concat_ws(
        ', ', coalesce(compared.revenue_amount, 0), coalesce(compared.cost_original_amount, 0), coalesce(compared.cost_amount, 0)
    ) || ' (revenue, original cost, cost)' AS expected,
    concat_ws(', ', coalesce(opened.revenue_amount, 0), coalesce(opened.cost_original_amount, 0), coalesce(opened.cost_amount, 0))
        AS found
FROM compared
FULL JOIN opened
    ON
        compared.level = opened.level
        AND compared.service_month = opened.service_month
        AND compared.currency = opened.currency
        AND compared.cost_currency = opened.cost_currency
        AND compared.row_key = opened.row_key
WHERE
    coalesce(compared.revenue_amount, 0) <> coalesce(opened.revenue_amount, 0)
    OR coalesce(compared.cost_original_amount, 0) <> coalesce(opened.cost_original_amount, 0)
    OR coalesce(compared.cost_amount, 0) <> coalesce(opened.cost_amount, 0)
ORDER BY
    abs(coalesce(compared.revenue_amount, 0) - coalesce(opened.revenue_amount, 0))
    + abs(coalesce(compared.cost_original_amount, 0) - coalesce(opened.cost_original_amount, 0))
    + abs(coalesce(compared.cost_amount, 0) - coalesce(opened.cost_amount, 0)) DESC,
    subject
