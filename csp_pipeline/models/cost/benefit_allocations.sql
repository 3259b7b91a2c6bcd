-- The parts of each line of a reservation or savings plan: `benefit_parts` of the days with covered usage, whole days where there was
-- none. Digits of a subtotal beyond the tenth stay with the first part of the line.
WITH parts AS (
    SELECT
        days.line_id,
        strftime(days.usage_on, '%Y-%m') AS service_month,
        'covered' AS benefit_state,
        count(DISTINCT days.usage_on) AS days,
        parts.entitlement_id,
        parts.resource_group,
        parts.resource_id,
        parts.tags,
        sum(CAST(parts.units AS HUGEINT) * days.direction) AS units
    FROM benefit_parts AS parts
    INNER JOIN benefit_days AS days ON parts.line_number = days.line_number
    GROUP BY ALL
    UNION ALL BY NAME
    SELECT
        days.line_id,
        strftime(days.usage_on, '%Y-%m') AS service_month,
        CASE WHEN days.is_seen THEN 'unused' ELSE 'open' END AS benefit_state,
        count(*) AS days,
        sum(CAST(days.units AS HUGEINT) * days.direction) AS units
    FROM benefit_days AS days
    ANTI JOIN benefit_parts AS parts ON days.line_number = parts.line_number
    GROUP BY ALL
)

SELECT
    line.billing_month,
    line.currency,
    line.line_id,
    line.product_family,
    line.customer_id,
    line.reservation_order_id AS benefit_order_id,
    parts.service_month,
    parts.benefit_state,
    parts.days,
    parts.entitlement_id,
    parts.resource_group,
    parts.resource_id,
    parts.tags,
    from_units18(parts.units * 100000000)
    + CASE
        WHEN
            row_number() OVER (
                PARTITION BY parts.line_id
                ORDER BY
                    parts.service_month, parts.benefit_state, parts.entitlement_id, parts.resource_group, parts.resource_id, parts.tags
            ) = 1
            THEN line.subtotal_amount - from_units18(sum(parts.units) OVER (PARTITION BY parts.line_id) * 100000000)
        ELSE 0
    END AS billed_amount
FROM parts
INNER JOIN cost.invoice_lines AS line ON parts.line_id = line.line_id
