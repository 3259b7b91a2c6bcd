-- The totals of a provider invoice's lines sum to those of its current staged files; those of a derived one to what it reverses.
WITH sent AS (
    SELECT
        upper(trim(invoice_number)) AS invoice_number,
        sum(total_staged) AS total,
        string_agg(source_file, ', ' ORDER BY source_file) AS source_files
    FROM meta.file_invoices
    WHERE is_current AND kind NOT IN ('invoice_headers', 'daily_usage', 'legacy_daily_usage')
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
    INNER JOIN sent ON document.are_lines_derived AND sent.invoice_number = upper(trim(document.reverses_invoice_number))
),

lines AS (
    SELECT
        upper(trim(invoice_number)) AS invoice_number,
        sum(total_amount) AS total
    FROM cost.invoice_lines
    WHERE NOT is_estimate
    GROUP BY ALL
)

SELECT
    coalesce(files.invoice_number, lines.invoice_number) || coalesce(' (' || files.source_files || ')', '') AS subject,
    coalesce(files.total, 0) || ' in the files' AS expected,
    coalesce(lines.total, 0) || ' in cost.invoice_lines' AS found
FROM files
FULL JOIN lines ON files.invoice_number = lines.invoice_number
WHERE coalesce(files.total, 0) <> coalesce(lines.total, 0)
ORDER BY abs(coalesce(files.total, 0) - coalesce(lines.total, 0)) DESC, subject
