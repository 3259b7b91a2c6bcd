-- The parts of each billed line of a reservation or savings plan, used, unused and open, sum to its subtotal.
WITH carried AS (
    SELECT
        line_id,
        sum(billed_amount) AS amount
    FROM cost.benefit_allocations
    GROUP BY line_id
),

billed AS (
    SELECT
        line_id,
        source_file,
        source_row,
        currency,
        subtotal_amount AS amount
    FROM cost.invoice_lines
    WHERE product_family IN ('reservation', 'savings_plan') AND NOT is_estimate
)

SELECT
    coalesce(billed.line_id, carried.line_id)
    || coalesce(' (' || billed.source_file || ', row ' || billed.source_row || ')', '') AS subject,
    coalesce(billed.amount, 0) || coalesce(' ' || billed.currency, '') || ' on the line' AS expected,
    coalesce(carried.amount, 0) || ' carried down' AS found
FROM billed
FULL JOIN carried ON billed.line_id = carried.line_id
WHERE coalesce(billed.amount, 0) <> coalesce(carried.amount, 0)
ORDER BY abs(coalesce(billed.amount, 0) - coalesce(carried.amount, 0)) DESC, subject
