-- Per resource the first day with eligible usage without credit after its last day with credit, over every month loaded in
-- a currency; the rows of cost.partner_earned_credit whose access_lost_on says otherwise, by rowid. What is billed is told by
-- billed days alone, a day of an open month by those and the open month's.
WITH resource_days AS (
    SELECT
        rowid AS row_number,
        usage_on,
        has_credit,
        lacks_credit,
        access_lost_on,
        is_estimate,
        hash(id_key(customer_id), id_key(entitlement_id), lower(resource_group), lower(resource_id)) AS resource_key
    FROM cost.partner_earned_credit
    WHERE currency = $currency
),

open_resources AS (
    SELECT DISTINCT resource_key
    FROM resource_days
    WHERE is_estimate
),

told AS (
    SELECT
        FALSE AS is_estimate,
        resource_key,
        usage_on,
        has_credit,
        lacks_credit
    FROM resource_days
    WHERE NOT is_estimate
    UNION ALL
    SELECT
        TRUE AS is_estimate,
        resource_key,
        usage_on,
        has_credit,
        lacks_credit
    FROM resource_days
    SEMI JOIN open_resources USING (resource_key)
),

days_without AS (
    SELECT
        is_estimate,
        resource_key,
        usage_on
    FROM told
    WHERE lacks_credit
),

last_credited AS (
    SELECT
        is_estimate,
        resource_key,
        max(usage_on) AS last_credited_on
    FROM told
    SEMI JOIN days_without USING (is_estimate, resource_key)
    WHERE has_credit
    GROUP BY is_estimate, resource_key
),

lost AS (
    SELECT
        is_estimate,
        resource_key,
        min(days_without.usage_on) AS access_lost_on
    FROM days_without
    INNER JOIN last_credited USING (is_estimate, resource_key)
    WHERE days_without.usage_on > last_credited.last_credited_on
    GROUP BY is_estimate, resource_key
)

SELECT
    resource_days.row_number,
    lost.access_lost_on
FROM resource_days
LEFT JOIN lost USING (is_estimate, resource_key)
WHERE resource_days.access_lost_on IS DISTINCT FROM lost.access_lost_on
