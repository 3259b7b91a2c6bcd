-- Where a file says that subtotal and tax make the total, the cost line says so too.
WITH staged AS (
    SELECT
        file_sha256,
        source_row
    FROM staged_reconciliation
    WHERE subtotal + tax_total = total
    UNION ALL
    SELECT
        file_sha256,
        source_row
    FROM staged_legacy_licence
    WHERE subtotal + tax = total_for_customer
    UNION ALL
    SELECT
        file_sha256,
        source_row
    FROM staged_legacy_usage
    WHERE pretax_charges + tax_amount = post_tax_total
    UNION ALL
    SELECT
        file_sha256,
        source_row
    FROM staged_distributor_invoice
    WHERE extended_price + tax_amount = total_amount
)

SELECT
    lines.line_id || ' (' || lines.source_file || ', row ' || lines.source_row || ')' AS subject,
    lines.subtotal_amount || ' + ' || lines.tax_amount || ' ' || lines.currency AS expected,
    CAST(lines.total_amount AS VARCHAR) AS found
FROM cost.invoice_lines AS lines
SEMI JOIN staged ON lines.file_sha256 = staged.file_sha256 AND lines.source_row = staged.source_row
WHERE lines.subtotal_amount + lines.tax_amount IS DISTINCT FROM lines.total_amount
ORDER BY abs(lines.subtotal_amount + lines.tax_amount - lines.total_amount) DESC, subject
