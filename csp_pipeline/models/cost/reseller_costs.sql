-- Billed lines by reseller of record, with the account that the reseller has; '0' is sold directly, '-1' a reseller removed.
SELECT
    line.billing_month,
    line.currency,
    trim(line.reseller_mpn_id) AS reseller_mpn_id,
    min(reseller.account_id) AS account_id,
    sum(line.subtotal_amount) AS subtotal_amount,
    sum(coalesce(line.tax_amount, 0)) AS tax_amount,
    sum(line.total_amount) AS total_amount,
    count(*) AS line_count
FROM cost.invoice_lines AS line
LEFT JOIN reference.account_resellers AS reseller
    ON trim(reseller.reseller_mpn_id) = trim(line.reseller_mpn_id) AND trim(line.reseller_mpn_id) NOT IN ('0', '-1')
WHERE line.billing_month = $billing_month AND line.currency = $currency AND NOT line.is_estimate
GROUP BY line.billing_month, line.currency, trim(line.reseller_mpn_id)
