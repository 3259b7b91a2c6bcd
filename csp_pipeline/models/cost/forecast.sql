-- What the open month will cost each customer: usage at the daily rate of the days seen, what does not recur as it is. The range is
-- what the same forecast, made on the same day number of the twelve billed months before, was off by. A day that had not ended
-- when the data were made is in what was seen, not in the rate.
WITH open_months AS (
    SELECT
        billing_month,
        currency,
        CAST(max(effective_at) AS DATE) AS made_on
    FROM meta.open_month_files
    WHERE is_current AND rows_staged > 0
    GROUP BY billing_month, currency
),

seen AS (
    SELECT
        open_months.billing_month,
        open_months.currency,
        CAST(open_months.billing_month || '-01' AS DATE) AS starts_on,
        CAST(day(last_day(CAST(open_months.billing_month || '-01' AS DATE))) AS BIGINT) AS days_in_month,
        max(usage.usage_on) AS last_seen_on,
        least(
            max(usage.usage_on),
            open_months.made_on - 1,
            last_day(CAST(open_months.billing_month || '-01' AS DATE))
        ) AS rated_until_on
    FROM open_months
    LEFT JOIN cost.usage_by_day AS usage
        ON open_months.billing_month = usage.billing_month AND open_months.currency = usage.currency AND usage.is_estimate
    GROUP BY open_months.billing_month, open_months.currency, open_months.made_on
),

days AS (
    SELECT
        *,
        CASE WHEN last_seen_on IS NULL THEN 0 ELSE greatest(rated_until_on - starts_on + 1, 0) END AS days_seen
    FROM seen
),

-- Usage of the month and of the billed months before it, in units of 1E-18: late days, days rated, all.
months AS (
    SELECT
        days.billing_month,
        days.currency,
        usage.billing_month AS usage_month,
        usage.is_estimate,
        id_key(usage.customer_id) AS customer,
        min(usage.customer_id) AS customer_id,
        CAST(day(last_day(CAST(usage.billing_month || '-01' AS DATE))) AS BIGINT) AS days_in_month,
        least(days.days_seen, day(last_day(CAST(usage.billing_month || '-01' AS DATE)))) AS days_rated,
        units18(coalesce(sum(usage.net_amount) FILTER (WHERE usage.usage_on < CAST(usage.billing_month || '-01' AS DATE)), 0))
            AS late_units,
        units18(
            coalesce(
                sum(usage.net_amount) FILTER (
                    WHERE
                    usage.usage_on >= CAST(usage.billing_month || '-01' AS DATE)
                    AND usage.usage_on < CAST(usage.billing_month || '-01' AS DATE) + CAST(days.days_seen AS INTEGER)
                ),
                0
            )
        ) AS rated_units,
        units18(sum(usage.net_amount)) AS all_units
    FROM days
    INNER JOIN cost.usage_by_day AS usage
        ON
            days.currency = usage.currency
            AND days.billing_month >= usage.billing_month
            AND strftime(days.starts_on - INTERVAL 12 MONTH, '%Y-%m') <= usage.billing_month
            AND (days.billing_month = usage.billing_month) = usage.is_estimate
    GROUP BY ALL
),

expected AS (
    SELECT
        *,
        divide_half_away(late_units, CAST(100000000 AS HUGEINT))
        + coalesce(divide_half_away(rated_units * days_in_month, days_rated * CAST(100000000 AS HUGEINT)), 0) AS expected_units
    FROM months
),

missed AS (
    SELECT
        billing_month,
        currency,
        customer,
        count(*) AS months_compared,
        min(miss) AS low_percent,
        max(miss) AS high_percent
    FROM (
        SELECT
            *,
            CAST(
                divide_half_away((divide_half_away(all_units, CAST(100000000 AS HUGEINT)) - expected_units) * 1000000, expected_units)
                AS DECIMAL(28, 0)
            ) * CAST('0.0001' AS DECIMAL(5, 4)) AS miss
        FROM expected
        WHERE NOT is_estimate AND expected_units > 0
    ) AS past
    GROUP BY billing_month, currency, customer
),

usage AS (
    SELECT *
    FROM expected
    WHERE is_estimate
),

other AS (
    SELECT
        billing_month,
        currency,
        id_key(customer_id) AS customer,
        min(customer_id) AS customer_id,
        sum(other_amount) AS other_amount
    FROM cost.unbilled_accruals
    WHERE released_month IS NULL
    GROUP BY billing_month, currency, customer
),

customers AS (
    SELECT
        coalesce(usage.billing_month, other.billing_month) AS billing_month,
        coalesce(usage.currency, other.currency) AS currency,
        coalesce(usage.customer, other.customer) AS customer,
        coalesce(usage.customer_id, other.customer_id) AS customer_id,
        coalesce(usage.all_units, 0) AS usage_units,
        coalesce(usage.expected_units, 0) AS expected_units,
        coalesce(other.other_amount, 0) AS other_amount
    FROM usage
    FULL JOIN other
        ON
            usage.billing_month = other.billing_month
            AND usage.currency = other.currency
            AND usage.customer IS NOT DISTINCT FROM other.customer
),

ranged AS (
    SELECT
        customers.*,
        missed.low_percent,
        missed.high_percent,
        coalesce(missed.months_compared, 0) AS months_compared,
        divide_half_away(
            customers.expected_units * (1000000 + CAST(missed.low_percent * 10000 AS HUGEINT)), CAST(1000000 AS HUGEINT)
        ) AS low_units,
        divide_half_away(
            customers.expected_units * (1000000 + CAST(missed.high_percent * 10000 AS HUGEINT)), CAST(1000000 AS HUGEINT)
        ) AS high_units
    FROM customers
    LEFT JOIN missed
        ON
            customers.billing_month = missed.billing_month
            AND customers.currency = missed.currency
            AND customers.customer IS NOT DISTINCT FROM missed.customer
)

SELECT
    ranged.billing_month,
    ranged.currency,
    ranged.customer_id,
    days.days_seen,
    days.days_in_month,
    days.last_seen_on,
    from_units18(ranged.usage_units) + ranged.other_amount AS net_amount,
    from_units18(ranged.usage_units) AS usage_amount,
    ranged.other_amount,
    from_units10(ranged.expected_units) AS expected_usage_amount,
    from_units10(ranged.expected_units + units10(ranged.other_amount)) AS expected_amount,
    from_units10(units10(ranged.other_amount) + least(ranged.low_units, ranged.high_units)) AS low_amount,
    from_units10(units10(ranged.other_amount) + greatest(ranged.low_units, ranged.high_units)) AS high_amount,
    ranged.low_percent,
    ranged.high_percent,
    ranged.months_compared
FROM ranged
INNER JOIN days ON ranged.billing_month = days.billing_month AND ranged.currency = days.currency
