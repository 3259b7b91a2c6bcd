-- The covered usage of each day of a line, numbered in the order in which ties are broken, with its weight: what it would have
-- cost at list price, else its quantity, else its rows.
WITH reached AS (
    SELECT
        days.line_number,
        used.entitlement_id,
        used.resource_group,
        used.resource_id,
        used.tags,
        CAST(sum(abs(used.list_amount)) AS DECIMAL(38, 18)) AS list_weight,
        CAST(sum(abs(coalesce(used.quantity, 0))) AS DECIMAL(38, 18)) AS quantity_weight,
        CAST(sum(used.usage_rows) AS DECIMAL(38, 18)) AS row_weight
    FROM benefit_days AS days
    INNER JOIN cost.covered_usage AS used
        ON
            days.currency = used.currency
            AND days.usage_on = used.usage_on
            AND days.benefit = benefit_key(used.benefit_order_id)
            AND days.customer IS NOT DISTINCT FROM id_key(used.customer_id)
    GROUP BY ALL
)

SELECT
    line_number,
    entitlement_id,
    resource_group,
    resource_id,
    tags,
    row_number() OVER (
        PARTITION BY line_number ORDER BY lower(entitlement_id), lower(resource_group), lower(resource_id), tags, resource_id
    ) AS place,
    CASE
        WHEN sum(list_weight) OVER (PARTITION BY line_number) > 0 THEN list_weight
        WHEN sum(quantity_weight) OVER (PARTITION BY line_number) > 0 THEN quantity_weight
        ELSE row_weight
    END AS weight
FROM reached
