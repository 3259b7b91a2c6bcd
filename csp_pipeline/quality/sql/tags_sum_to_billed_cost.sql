-- The values of each tag key, and what does not carry it, sum to the billed Azure cost of the customer in the month.
WITH billed AS (
    SELECT
        billing_month,
        currency,
        coalesce(id_key(customer_id), '') AS customer,
        sum(billed_amount) AS amount
    FROM (
        SELECT
            billing_month,
            currency,
            customer_id,
            billed_amount
        FROM cost.resource_allocations
        UNION ALL
        SELECT
            billing_month,
            currency,
            customer_id,
            billed_amount
        FROM cost.benefit_allocations
    ) AS parts
    GROUP BY ALL
),

tagged AS (
    SELECT
        billing_month,
        currency,
        coalesce(id_key(customer_id), '') AS customer,
        tag_key,
        sum(billed_amount) AS amount
    FROM cost.tag_allocations
    GROUP BY ALL
)

SELECT
    tagged.billing_month || ' ' || tagged.currency || ' ' || tagged.customer || ' tag ' || tagged.tag_key AS subject,
    coalesce(billed.amount, 0) || ' billed' AS expected,
    tagged.amount || ' by its values' AS found
FROM tagged
LEFT JOIN billed
    ON tagged.billing_month = billed.billing_month AND tagged.currency = billed.currency AND tagged.customer = billed.customer
WHERE tagged.amount IS DISTINCT FROM billed.amount
ORDER BY abs(tagged.amount - coalesce(billed.amount, 0)) DESC, subject
