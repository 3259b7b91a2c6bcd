-- Subscriptions that only one side knows in the month reconciled: cost that no contract line takes, and charges
-- behind which no provider line stands although the provider's document of the month is loaded; how long already.
WITH one_sided AS (
    SELECT
        service_month,
        customer_id,
        subscription_id,
        CASE WHEN contract_line_id IS NULL THEN 'billing' ELSE 'provider' END AS side_missing,
        CASE WHEN contract_line_id IS NULL THEN cost_amount ELSE revenue_amount END AS amount,
        currency,
        account_id,
        product_name
    FROM reconciliation.revenue_vs_cost
    WHERE
        service_month <= $month
        AND subscription_id IS NOT NULL
        AND (contract_line_id IS NULL OR cause = 'revenue_without_cost')
),

by_month AS (
    SELECT
        service_month,
        customer_id,
        subscription_id,
        side_missing,
        currency,
        max(account_id) AS account_id,
        max(product_name) AS product_name,
        sum(amount) AS amount,
        CAST(service_month || '-01' AS DATE)
        - CAST(
            row_number() OVER (
                PARTITION BY customer_id, subscription_id, side_missing, currency
                ORDER BY service_month
            ) AS INTEGER
        ) * INTERVAL 1 MONTH AS run_id
    FROM one_sided
    GROUP BY service_month, customer_id, subscription_id, side_missing, currency
),

runs AS (
    SELECT
        customer_id,
        subscription_id,
        side_missing,
        currency,
        run_id,
        max(service_month) AS last_month,
        count(*) AS months,
        CAST(min(service_month) || '-01' AS DATE) AS since_on,
        sum(amount) AS total_amount,
        arg_max(amount, service_month) AS amount,
        max(account_id) AS account_id,
        max(product_name) AS product_name
    FROM by_month
    GROUP BY customer_id, subscription_id, side_missing, currency, run_id
)

SELECT
    CAST($as_of_on AS DATE) AS as_of_on,
    run_.customer_id,
    run_.subscription_id,
    run_.side_missing,
    CAST(run_.amount AS DECIMAL(38, 10)) AS monthly_amount,
    run_.currency,
    run_.since_on,
    date_diff('day', run_.since_on, CAST($as_of_on AS DATE)) + 1 AS days_open,
    CAST(run_.total_amount AS DECIMAL(38, 10)) AS total_amount,
    subscription.status,
    run_.product_name,
    CASE
        WHEN run_.side_missing = 'billing' AND run_.account_id IS NULL THEN 'add the tenant to account_tenants'
        WHEN link.link_id IS NOT NULL AND link.from_subscription_id IS NOT NULL
            THEN
                'confirm in subscription_links that ' || link.to_subscription_id || ' took the place of '
                || link.from_subscription_id || ', if it did'
        WHEN run_.side_missing = 'billing' THEN 'add a contract line that sells it, or cancel it at the provider'
        ELSE 'find the subscription that replaced it and link it, or end the contract line'
    END AS what_to_do
FROM runs AS run_
LEFT JOIN partner_center.subscriptions AS subscription
    ON
        id_key(run_.customer_id) = id_key(subscription.customer_id)
        AND id_key(run_.subscription_id) = id_key(subscription.subscription_id)
LEFT JOIN (
    SELECT *
    FROM billing.subscription_links
    WHERE NOT is_followed
) AS link
    ON
        id_key(run_.subscription_id)
        = id_key(CASE WHEN run_.side_missing = 'billing' THEN link.to_subscription_id ELSE link.from_subscription_id END)
WHERE run_.last_month = $month
QUALIFY
    row_number() OVER (
        PARTITION BY run_.customer_id, run_.subscription_id, run_.side_missing, run_.currency
        ORDER BY link.link_id, subscription.order_id
    ) = 1
