-- Subscriptions that only one side knows in the month reconciled: cost that no contract line takes, and charges
-- behind which no provider line stands although the provider's document of the month is loaded.
WITH one_sided AS (
    SELECT
        customer_id,
        subscription_id,
        CASE WHEN contract_line_id IS NULL THEN 'billing' ELSE 'provider' END AS side_missing,
        CASE WHEN contract_line_id IS NULL THEN cost_amount ELSE revenue_amount END AS amount,
        currency
    FROM reconciliation.revenue_vs_cost
    WHERE
        service_month = $month
        AND subscription_id IS NOT NULL
        AND (contract_line_id IS NULL OR cause = 'revenue_without_cost')
)

SELECT
    CAST($as_of_on AS DATE) AS as_of_on,
    customer_id,
    subscription_id,
    side_missing,
    CAST(sum(amount) AS DECIMAL(38, 10)) AS monthly_amount,
    currency
FROM one_sided
GROUP BY customer_id, subscription_id, side_missing, currency
