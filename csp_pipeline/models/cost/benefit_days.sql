-- Every day that a billed line of a reservation or savings plan pays for, with its even part of the subtotal in units of 1E-10 (the
-- earliest days take what does not divide). A charge of one day for a longer term pays for the term.
WITH lines AS (
    SELECT
        line_id,
        billing_month,
        currency,
        id_key(customer_id) AS customer,
        benefit_key(reservation_order_id) AS benefit,
        sign(units18(subtotal_amount)) AS direction,
        abs(units18(subtotal_amount)) // 100000000 AS units,
        service_starts_on(charge_start_on, order_on, billing_month) AS charge_start_on,
        service_ends_on(charge_start_on, charge_end_on, order_on, billing_month) AS charge_end_on,
        subscription_starts_on,
        subscription_ends_on
    FROM cost.invoice_lines
    WHERE product_family IN ('reservation', 'savings_plan') AND NOT is_estimate
),

periods AS (
    SELECT
        *,
        charge_start_on = charge_end_on AND coalesce(subscription_ends_on > subscription_starts_on, FALSE) AS is_for_term
    FROM lines
),

spans AS (
    SELECT
        *,
        CASE WHEN is_for_term THEN subscription_starts_on ELSE charge_start_on END AS start_on,
        CASE WHEN is_for_term THEN subscription_ends_on ELSE charge_end_on END AS end_on
    FROM periods
),

days AS (
    SELECT
        *,
        CAST(end_on - start_on + 1 AS BIGINT) AS day_count,
        CAST(unnest(range(0, end_on - start_on + 1)) AS INTEGER) AS place
    FROM spans
),

seen AS (
    SELECT DISTINCT
        billing_month AS seen_month,
        currency
    FROM cost.usage_by_day
    WHERE NOT is_estimate
)

SELECT
    CAST(row_number() OVER (ORDER BY days.line_id, days.place) AS INTEGER) AS line_number,
    days.line_id,
    days.currency,
    days.customer,
    days.benefit,
    days.direction,
    days.start_on + days.place AS usage_on,
    CAST(days.units // days.day_count + CASE WHEN days.place < days.units % days.day_count THEN 1 ELSE 0 END AS DECIMAL(38, 0))
        AS units,
    seen.seen_month IS NOT NULL AS is_seen
FROM days
LEFT JOIN seen ON days.currency = seen.currency AND strftime(days.start_on + days.place, '%Y-%m') = seen.seen_month
