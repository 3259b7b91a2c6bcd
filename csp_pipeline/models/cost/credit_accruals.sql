-- Earned credit as books accrue it: earned in the month of its usage, received $pec_credit_lag_months months later, open between.
WITH earned AS (
    SELECT
        currency,
        id_key(customer_id) AS customer,
        customer_id,
        billing_month,
        pec_amount
    FROM cost.azure_plan_costs
    WHERE NOT is_estimate AND pec_amount <> 0
),

months AS (
    SELECT DISTINCT
        currency,
        billing_month
    FROM cost.invoices
    WHERE has_files
),

last_months AS (
    SELECT
        currency,
        max(billing_month) AS last_month
    FROM months
    GROUP BY currency
),

customers AS (
    SELECT
        currency,
        customer,
        min(customer_id) AS customer_id,
        min(billing_month) AS first_month
    FROM earned
    GROUP BY currency, customer
),

events AS (
    SELECT
        currency,
        customer,
        billing_month,
        pec_amount AS earned_amount,
        CAST(0 AS DECIMAL(38, 10)) AS received_amount
    FROM earned
    UNION ALL
    SELECT
        currency,
        customer,
        strftime(CAST(billing_month || '-01' AS DATE) + to_months($pec_credit_lag_months), '%Y-%m') AS billing_month,
        CAST(0 AS DECIMAL(38, 10)) AS earned_amount,
        pec_amount AS received_amount
    FROM earned
    UNION ALL
    SELECT
        months.currency,
        customers.customer,
        months.billing_month,
        CAST(0 AS DECIMAL(38, 10)) AS earned_amount,
        CAST(0 AS DECIMAL(38, 10)) AS received_amount
    FROM months
    INNER JOIN customers ON months.currency = customers.currency AND months.billing_month >= customers.first_month
),

by_month AS (
    SELECT
        currency,
        customer,
        billing_month,
        sum(earned_amount) AS earned_amount,
        sum(received_amount) AS received_amount
    FROM events
    INNER JOIN last_months USING (currency)
    WHERE billing_month <= last_month
    GROUP BY currency, customer, billing_month
),

balanced AS (
    SELECT
        *,
        sum(earned_amount - received_amount) OVER (PARTITION BY currency, customer ORDER BY billing_month) AS open_amount
    FROM by_month
)

SELECT
    balanced.billing_month,
    balanced.currency,
    customers.customer_id,
    balanced.earned_amount,
    balanced.received_amount,
    balanced.open_amount,
    strftime(CAST(balanced.billing_month || '-01' AS DATE) + to_months($pec_credit_lag_months), '%Y-%m') AS received_month
FROM balanced
INNER JOIN customers
    ON balanced.currency = customers.currency AND balanced.customer IS NOT DISTINCT FROM customers.customer
WHERE balanced.earned_amount <> 0 OR balanced.received_amount <> 0 OR balanced.open_amount <> 0
