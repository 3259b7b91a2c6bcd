-- The proof of each provider document by customer sums to that of the document, to the last digit.
WITH customers AS (
    SELECT
        provider,
        invoice_number,
        sum(lines_amount) AS lines_amount,
        sum(subtotal_amount) AS subtotal_amount,
        sum(daily_usage_amount) AS usage_amount,
        sum(not_in_daily_usage_amount) AS other_amount,
        sum(rounding_amount) AS rounding_amount,
        sum(bounded_amount) AS bounded_amount,
        sum(usage_gap_amount) AS gap_amount
    FROM cost.customer_proof
    GROUP BY ALL
),

compared AS (
    SELECT
        coalesce(proof.invoice_number, customers.invoice_number) AS subject,
        [
            proof.lines_amount, proof.subtotal_amount, proof.daily_usage_amount, proof.not_in_daily_usage_amount,
            proof.rounding_amount, proof.bounded_amount, proof.usage_gap_amount
        ] AS expected,
        [
            customers.lines_amount, customers.subtotal_amount, customers.usage_amount, customers.other_amount,
            customers.rounding_amount, customers.bounded_amount, customers.gap_amount
        ] AS found
    FROM cost.invoice_proof AS proof
    FULL JOIN customers ON proof.provider = customers.provider AND proof.invoice_number = customers.invoice_number
)

SELECT
    subject,
    array_to_string(list_transform(expected, LAMBDA amount: coalesce(amount, 0)), ', ')
    || ' (lines, subtotals, usage, not in usage, rounding, bounded, gap)' AS expected,
    array_to_string(list_transform(found, LAMBDA amount: coalesce(amount, 0)), ', ') || ' over its customers' AS found
FROM compared
WHERE list_transform(expected, LAMBDA amount: coalesce(amount, 0)) <> list_transform(found, LAMBDA amount: coalesce(amount, 0))
ORDER BY abs(coalesce(expected[1], 0) - coalesce(found[1], 0)) DESC, subject
