-- The billed amount carried down to Azure subscriptions is the subtotal of the billed Azure plan lines of that month.
WITH carried AS (
    SELECT
        billing_month,
        currency,
        sum(billed_amount) AS amount
    FROM cost.azure_plan_costs
    WHERE NOT is_estimate
    GROUP BY ALL
),

billed AS (
    SELECT
        billing_month,
        currency,
        sum(subtotal_amount) AS amount
    FROM cost.invoice_lines
    WHERE product_family = 'azure_plan' AND NOT is_estimate
    GROUP BY ALL
)

SELECT
    coalesce(billed.billing_month, carried.billing_month) || ' ' || coalesce(billed.currency, carried.currency) AS subject,
    coalesce(billed.amount, 0) || ' on Azure plan lines' AS expected,
    coalesce(carried.amount, 0) || ' carried down' AS found
FROM billed
FULL JOIN carried ON billed.billing_month = carried.billing_month AND billed.currency = carried.currency
WHERE coalesce(billed.amount, 0) <> coalesce(carried.amount, 0)
ORDER BY abs(coalesce(billed.amount, 0) - coalesce(carried.amount, 0)) DESC, subject
