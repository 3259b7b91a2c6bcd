-- The usage of a provider invoice sums to that of its current staged files; that of a void note without one to what it reverses.
WITH sent AS (
    SELECT
        upper(trim(invoice_number)) AS invoice_number,
        sum(amount_staged) AS total,
        string_agg(source_file, ', ' ORDER BY source_file) AS source_files
    FROM meta.file_invoices
    WHERE is_current AND kind = 'daily_usage'
    GROUP BY ALL
),

files AS (
    SELECT *
    FROM sent
    UNION ALL
    SELECT
        upper(trim(document.invoice_number)) AS invoice_number,
        -sent.total AS total,
        sent.source_files
    FROM cost.invoices AS document
    INNER JOIN sent ON document.is_usage_derived AND sent.invoice_number = upper(trim(document.reverses_invoice_number))
),

used AS (
    SELECT
        invoice_number,
        sum(net_amount) AS total
    FROM cost.daily_usage
    WHERE NOT is_estimate
    GROUP BY invoice_number
),

documents AS (
    SELECT
        upper(trim(invoice_number)) AS invoice_number,
        sum(total) AS total
    FROM used
    GROUP BY ALL
)

SELECT
    coalesce(files.invoice_number, documents.invoice_number) || coalesce(' (' || files.source_files || ')', '') AS subject,
    coalesce(files.total, 0) || ' in the files' AS expected,
    coalesce(documents.total, 0) || ' in cost.daily_usage' AS found
FROM files
FULL JOIN documents ON files.invoice_number = documents.invoice_number
WHERE coalesce(files.total, 0) <> coalesce(documents.total, 0)
ORDER BY abs(coalesce(files.total, 0) - coalesce(documents.total, 0)) DESC, subject
