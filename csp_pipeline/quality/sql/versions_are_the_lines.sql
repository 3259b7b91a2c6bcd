-- The versions of documents that count sum to the billed lines of those documents.
WITH versions AS (
    SELECT
        invoice_number,
        sum(subtotal_amount) AS amount
    FROM cost.invoice_versions
    WHERE is_current
    GROUP BY ALL
),

lines AS (
    SELECT
        invoice_number,
        sum(subtotal_amount) AS amount
    FROM cost.invoice_lines
    WHERE
        NOT is_estimate
        AND upper(invoice_number) IN (
            SELECT upper(file.invoice_number) FROM meta.file_invoices AS file
            WHERE file.kind = 'reconciliation' AND file.is_current
        )
    GROUP BY ALL
)

SELECT
    coalesce(lines.invoice_number, versions.invoice_number) AS subject,
    coalesce(lines.amount, 0) || ' on its lines' AS expected,
    coalesce(versions.amount, 0) || ' in the version that counts' AS found
FROM lines
FULL JOIN versions ON lines.invoice_number = versions.invoice_number
WHERE coalesce(lines.amount, 0) <> coalesce(versions.amount, 0)
ORDER BY abs(coalesce(lines.amount, 0) - coalesce(versions.amount, 0)) DESC, subject
