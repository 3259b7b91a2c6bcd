-- The parts of a difference sum to the row's difference, in amount and in quantity.
WITH compared AS (
    SELECT
        service_month,
        currency,
        [account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id, cost_currency] AS row_key,
        sum(coalesce(difference_amount, 0)) AS amount,
        sum(coalesce(quantity_difference, 0)) AS quantity
    FROM reconciliation.revenue_vs_cost
    GROUP BY ALL
),

parts AS (
    SELECT
        service_month,
        currency,
        [account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id, cost_currency] AS row_key,
        sum(coalesce(amount, 0)) AS amount,
        sum(coalesce(quantity, 0)) AS quantity
    FROM reconciliation.differences
    GROUP BY ALL
)

SELECT
    coalesce(compared.service_month, parts.service_month) || ' '
    || array_to_string(coalesce(compared.row_key, parts.row_key), ' ') AS subject,
    coalesce(compared.amount, 0) || ' ' || coalesce(compared.currency, parts.currency)
    || ' and quantity ' || coalesce(compared.quantity, 0) AS expected,
    coalesce(parts.amount, 0) || ' and quantity ' || coalesce(parts.quantity, 0) AS found
FROM compared
FULL JOIN parts
    ON
        compared.service_month = parts.service_month
        AND compared.currency IS NOT DISTINCT FROM parts.currency
        AND compared.row_key IS NOT DISTINCT FROM parts.row_key
WHERE
    coalesce(compared.amount, 0) <> coalesce(parts.amount, 0)
    OR coalesce(compared.quantity, 0) <> coalesce(parts.quantity, 0)
ORDER BY abs(coalesce(compared.amount, 0) - coalesce(parts.amount, 0)) DESC, subject
