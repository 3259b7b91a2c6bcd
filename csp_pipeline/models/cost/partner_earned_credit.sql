-- Earned and forgone credit by resource and day. access_lost_on looks at this month and the earlier months loaded, never at
-- later ones: the same facts up to a month always give that month's rows.
WITH days AS MATERIALIZED (
    SELECT
        usage_on, customer_id, entitlement_id, resource_group, resource_id,
        coalesce(sum(net_amount) FILTER (WHERE is_pec_eligible), 0) AS eligible_amount,
        sum(pec_amount) AS earned_amount,
        sum(pec_forgone_amount) AS forgone_amount,
        bool_or(pec_percent > 0) AS has_credit,
        bool_or(is_pec_eligible AND pec_percent = 0) AS lacks_credit
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY ALL
),

resources AS MATERIALIZED (
    SELECT
        customer_id, entitlement_id, resource_group, resource_id,
        coalesce(id_key(customer_id), '') || chr(31) || coalesce(id_key(entitlement_id), '') || chr(31)
        || lower(coalesce(resource_group, '')) || chr(31) || lower(coalesce(resource_id, '')) AS resource_key,
        max(usage_on) FILTER (WHERE has_credit) AS last_credited_on,
        list(usage_on) FILTER (WHERE lacks_credit) AS days_without
    FROM days
    GROUP BY customer_id, entitlement_id, resource_group, resource_id
),

suspects AS (
    SELECT DISTINCT resource_key
    FROM resources
    WHERE days_without IS NOT NULL
),

earlier AS (
    SELECT
        coalesce(id_key(customer_id), '') || chr(31) || coalesce(id_key(entitlement_id), '') || chr(31)
        || lower(coalesce(resource_group, '')) || chr(31) || lower(coalesce(resource_id, '')) AS resource_key,
        usage_on,
        has_credit,
        lacks_credit
    FROM cost.partner_earned_credit
    WHERE billing_month < $billing_month AND (has_credit OR lacks_credit)
),

known AS (
    SELECT
        resource_key,
        last_credited_on,
        days_without
    FROM resources
    SEMI JOIN suspects USING (resource_key)
    UNION ALL
    SELECT
        resource_key,
        max(usage_on) FILTER (WHERE has_credit) AS last_credited_on,
        list(usage_on) FILTER (WHERE lacks_credit) AS days_without
    FROM earlier
    SEMI JOIN suspects USING (resource_key)
    GROUP BY resource_key
),

credited AS (
    SELECT
        resource_key,
        max(last_credited_on) AS last_credited_on,
        flatten(list(days_without) FILTER (WHERE days_without IS NOT NULL)) AS days_without
    FROM known
    GROUP BY resource_key
),

lost AS (
    SELECT
        resources.customer_id, resources.entitlement_id, resources.resource_group, resources.resource_id,
        list_min(list_filter(credited.days_without, lambda day: day > credited.last_credited_on)) AS access_lost_on
    FROM credited
    INNER JOIN resources USING (resource_key)
    WHERE credited.last_credited_on IS NOT NULL
)

SELECT
    $billing_month AS billing_month,
    days.usage_on,
    days.customer_id,
    days.entitlement_id,
    days.resource_group,
    days.resource_id,
    $currency AS currency,
    days.eligible_amount,
    days.earned_amount,
    days.forgone_amount,
    lost.access_lost_on,
    days.has_credit,
    days.lacks_credit
FROM days
LEFT JOIN lost
    ON lost.customer_id IS NOT DISTINCT FROM days.customer_id
    AND lost.entitlement_id IS NOT DISTINCT FROM days.entitlement_id
    AND lost.resource_group IS NOT DISTINCT FROM days.resource_group
    AND lost.resource_id IS NOT DISTINCT FROM days.resource_id
