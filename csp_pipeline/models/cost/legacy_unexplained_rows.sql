-- Lines of D documents that contradict their own figures by more than rounding allows.
SELECT
    part.billing_month,
    part.currency,
    part.invoice_number,
    part.line_id,
    line.source_file,
    line.source_row,
    line.customer_id,
    line.subscription_id,
    part.unexplained_amount AS amount,
    'line_contradicts_its_own_figures' AS reason
FROM cost.proof_parts AS part
INNER JOIN cost.invoice_lines AS line ON part.line_id = line.line_id
WHERE
    part.billing_month = $billing_month
    AND part.currency = $currency
    AND part.kind = 'legacy_line'
    AND part.unexplained_amount <> 0
