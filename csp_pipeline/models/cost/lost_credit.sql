-- Resources that could have earned credit and did not, with what that costs a month at the rate of the last full day: the last day
-- with usage in the currency that had ended when its data were made. A resource that is gone on that day costs nothing any more.
WITH open_until AS (
    SELECT
        currency,
        CAST(max(effective_at) AS DATE) - 1 AS ended_on
    FROM meta.open_month_files
    WHERE is_current AND kind = 'open_daily_usage'
    GROUP BY currency
),

days AS (
    SELECT
        credit.currency,
        max(credit.usage_on) AS rated_on
    FROM cost.partner_earned_credit AS credit
    LEFT JOIN open_until ON credit.currency = open_until.currency
    WHERE NOT credit.is_estimate OR credit.usage_on <= open_until.ended_on
    GROUP BY credit.currency
),

resources AS (
    SELECT
        credit.currency,
        min(credit.customer_id) AS customer_id,
        min(nullif(trim(credit.entitlement_id), '')) AS entitlement_id,
        min(credit.resource_group) AS resource_group,
        min(credit.resource_id) AS resource_id,
        arg_max(credit.access_lost_on, (credit.is_estimate, credit.usage_on)) AS access_lost_on,
        bool_or(credit.has_credit) AS had_credit,
        min(credit.usage_on) FILTER (WHERE credit.lacks_credit) AS first_forgone_on,
        max(credit.usage_on) FILTER (WHERE credit.lacks_credit) AS last_forgone_on,
        sum(credit.forgone_amount) AS forgone_amount,
        days.rated_on,
        coalesce(sum(credit.forgone_amount) FILTER (WHERE credit.usage_on = days.rated_on), 0) AS rated_amount,
        coalesce(bool_or(credit.is_estimate) FILTER (WHERE credit.usage_on = days.rated_on), FALSE) AS is_estimate
    FROM cost.partner_earned_credit AS credit
    LEFT JOIN days ON credit.currency = days.currency
    GROUP BY
        credit.currency, id_key(credit.customer_id), id_key(credit.entitlement_id), lower(credit.resource_group),
        lower(credit.resource_id), days.rated_on
    HAVING bool_or(credit.lacks_credit)
)

SELECT
    currency,
    customer_id,
    entitlement_id,
    resource_group,
    resource_id,
    CASE WHEN access_lost_on IS NOT NULL THEN 'lost' WHEN had_credit THEN 'regained' ELSE 'never' END AS credit_state,
    access_lost_on,
    first_forgone_on,
    last_forgone_on,
    forgone_amount,
    rated_on,
    rated_amount,
    CAST(rated_amount * CAST(day(last_day(rated_on)) AS DECIMAL(2, 0)) AS DECIMAL(38, 10)) AS monthly_amount,
    is_estimate
FROM resources
