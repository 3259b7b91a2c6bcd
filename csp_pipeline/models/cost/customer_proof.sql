-- The proof of each document by customer: what its lines, its usage and the rounding that the published formulas predict leave over.
-- Everything is exact until the document's gap is rounded to ten decimals, once; the parts are given out by largest remainder.
WITH lines AS (
    SELECT
        provider,
        invoice_number,
        id_key(customer_id) AS customer,
        min(customer_id) AS customer_id,
        min(customer_name) AS customer_name,
        sum(total_amount) AS lines_amount,
        sum(coalesce(tax_amount, 0)) AS lines_tax_amount,
        sum(subtotal_amount) AS subtotal_amount,
        coalesce(sum(subtotal_amount) FILTER (WHERE NOT is_in_daily_usage), 0) AS other_amount,
        count(*) FILTER (WHERE is_in_daily_usage) AS lines_in_daily_usage
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
    GROUP BY provider, invoice_number, customer
),

usage AS (
    SELECT
        'microsoft' AS provider,
        invoice_number,
        id_key(customer_id) AS customer,
        min(customer_id) AS customer_id,
        sum(net_amount) AS daily_usage_amount,
        count(line_id) AS matched_lines
    FROM cost.usage_groups
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY invoice_number, customer
),

parts AS (
    SELECT
        'microsoft' AS provider,
        invoice_number,
        id_key(customer_id) AS customer,
        min(customer_id) AS customer_id,
        coalesce(sum(bounded_amount + unexplained_amount) FILTER (WHERE kind = 'legacy_line'), 0) AS contradicted_amount,
        sum(rounding_amount) AS rounding_amount,
        sum(rounding_rest) AS rounding_rest,
        sum(bounded_amount) AS bounded_amount
    FROM cost.proof_parts
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY invoice_number, customer
),

pieces AS (
    SELECT * FROM lines
    UNION ALL BY NAME
    SELECT * FROM usage
    UNION ALL BY NAME
    SELECT * FROM parts
),

summed AS (
    SELECT
        provider,
        invoice_number,
        customer,
        min(customer_id) AS customer_id,
        min(customer_name) AS customer_name,
        coalesce(sum(lines_amount), 0) AS lines_amount,
        coalesce(sum(lines_tax_amount), 0) AS lines_tax_amount,
        coalesce(sum(subtotal_amount), 0) AS subtotal_amount,
        coalesce(sum(daily_usage_amount), 0) AS daily_usage_amount,
        coalesce(sum(other_amount), 0) - coalesce(sum(contradicted_amount), 0) AS not_in_daily_usage_amount,
        coalesce(sum(rounding_amount), 0) AS rounding_amount,
        coalesce(sum(rounding_rest), 0) AS rounding_rest,
        coalesce(sum(bounded_amount), 0) AS bounded_amount,
        CAST(coalesce(sum(lines_in_daily_usage), 0) AS BIGINT) AS lines_in_daily_usage,
        CAST(coalesce(sum(matched_lines), 0) AS BIGINT) AS matched_lines
    FROM pieces
    GROUP BY provider, invoice_number, customer
),

-- the gap in whole units of 1E-18 and a rest of units of 1E-36
exact AS (
    SELECT
        *,
        units18(subtotal_amount - daily_usage_amount - not_in_daily_usage_amount - rounding_amount - bounded_amount)
        - rounding_rest // 1000000000000000000 AS gap_units,
        -(rounding_rest % 1000000000000000000) AS gap_rest
    FROM summed
),

-- rounded down to 1E-10, with what that leaves
floored AS (
    SELECT
        *,
        round_units18(sum(gap_units) OVER document, sum(gap_rest) OVER document) AS document_gap_amount,
        (gap_units - ((gap_units % 100000000) + 100000000) % 100000000) // 100000000 AS floor_units10,
        ((gap_units % 100000000) + 100000000) % 100000000 AS left_units
    FROM exact
    WINDOW document AS (PARTITION BY provider, invoice_number)
),

given AS (
    SELECT
        *,
        floor_units10 + CASE
            WHEN
                row_number() OVER (PARTITION BY provider, invoice_number ORDER BY left_units DESC, gap_rest DESC, customer NULLS FIRST)
                <= units10(document_gap_amount) - sum(floor_units10) OVER (PARTITION BY provider, invoice_number)
                THEN 1
            ELSE 0
        END AS gap_units10
    FROM floored
)

SELECT
    provider,
    invoice_number,
    $billing_month AS billing_month,
    $currency AS currency,
    customer_id,
    customer_name,
    lines_amount,
    lines_tax_amount,
    subtotal_amount,
    daily_usage_amount,
    not_in_daily_usage_amount,
    rounding_amount,
    bounded_amount,
    from_units10(gap_units10) AS usage_gap_amount,
    lines_in_daily_usage,
    matched_lines,
    CASE
        WHEN gap_units10 <> 0 THEN 'unproven'
        WHEN bounded_amount <> 0 THEN 'bounded'
        ELSE 'proven'
    END AS proof_state
FROM given
