-- One row per document of the provider: from its header, completed by the files that carry its lines.
WITH parts AS (
    SELECT
        provider_of(kind) AS provider,
        upper(trim(invoice_number)) AS number_key,
        min(invoice_number) AS invoice_number,
        kind IN ('daily_usage', 'legacy_daily_usage') AS is_usage,
        currency,
        lines_month,
        sum(rows_staged) AS rows_staged,
        sum(total_staged) AS total_staged,
        sum(tax_staged) AS tax_staged
    FROM meta.file_invoices
    WHERE is_current AND kind <> 'invoice_headers' AND coalesce(invoice_number, '') <> ''
    GROUP BY provider, number_key, is_usage, currency, lines_month
),

-- files of lines speak before files of usage, then the larger number of rows, then the earlier month
files AS (
    SELECT
        provider,
        number_key,
        min(invoice_number) AS invoice_number,
        arg_min(lines_month, (is_usage, -rows_staged, lines_month)) FILTER (WHERE lines_month IS NOT NULL) AS lines_month,
        arg_min(currency, (is_usage, -rows_staged, currency)) FILTER (WHERE currency IS NOT NULL) AS currency,
        sum(total_staged) FILTER (WHERE NOT is_usage) AS total_amount,
        sum(tax_staged) FILTER (WHERE NOT is_usage) AS tax_amount
    FROM parts
    GROUP BY provider, number_key
),

-- when a document was first seen in the versions that count: the last resort for its month
scans AS (
    SELECT
        provider_of(kind) AS provider,
        upper(trim(invoice_number)) AS number_key,
        strftime(min(scanned_at), '%Y-%m') AS scan_month
    FROM meta.file_invoices
    WHERE is_current
    GROUP BY provider, number_key
),

-- what a distributor says of a whole document stands on each of its lines
statements AS (
    SELECT
        provider,
        upper(trim(invoice_number)) AS number_key,
        min(invoice_date) AS issued_on,
        max(due_date) AS due_on,
        max(invoice_total) AS total_amount
    FROM staged_distributor_invoice
    GROUP BY provider, number_key
),

headers AS (
    SELECT
        *,
        'microsoft' AS provider,
        upper(trim(invoice_number)) AS number_key
    FROM staged_invoice_headers
    WHERE coalesce(invoice_number, '') <> ''
    QUALIFY row_number() OVER (PARTITION BY number_key ORDER BY invoice_date DESC, source_row DESC, file_sha256) = 1
),

amendments AS (
    SELECT
        upper(trim(amends_of)) AS number_key,
        bool_or(regexp_replace(lower(document_type), '[^a-z]', '', 'g') = 'voidnote') AS is_voided,
        bool_or(regexp_replace(lower(document_type), '[^a-z]', '', 'g') = 'invoice') AS is_replaced
    FROM headers
    WHERE coalesce(amends_of, '') <> '' AND upper(trim(amends_of)) <> number_key
    GROUP BY ALL
)

SELECT
    coalesce(headers.provider, files.provider) AS provider,
    coalesce(headers.invoice_number, files.invoice_number) AS invoice_number,
    headers.document_type,
    coalesce(
        strftime(headers.billing_period_start_date, '%Y-%m'),
        files.lines_month,
        strftime(coalesce(headers.invoice_date, statements.issued_on), '%Y-%m'),
        scans.scan_month
    ) AS billing_month,
    coalesce(headers.invoice_date, statements.issued_on) AS issued_on,
    coalesce(headers.due_date, statements.due_on) AS due_on,
    upper(coalesce(files.currency, headers.currency_code)) AS currency,
    coalesce(headers.total_charges, statements.total_amount, files.total_amount) AS total_amount,
    coalesce(headers.tax_total, files.tax_amount) AS tax_amount,
    CASE
        WHEN amendments.is_voided THEN 'voided'
        WHEN amendments.is_replaced THEN 'replaced'
        ELSE 'billed'
    END AS state,
    nullif(headers.amends_of, '') AS replaces_invoice_number,
    headers.billing_period_start_date AS period_start_on,
    headers.billing_period_end_date AS period_end_on,
    CASE
        WHEN upper(coalesce(headers.currency_code, files.currency)) = upper(coalesce(files.currency, headers.currency_code))
            THEN coalesce(headers.total_charges, statements.total_amount)
    END AS header_amount,
    headers.tax_total AS stated_tax_amount,
    files.invoice_number IS NOT NULL AS has_files
FROM headers
FULL JOIN files ON headers.provider = files.provider AND headers.number_key = files.number_key
LEFT JOIN scans
    ON
        scans.provider = coalesce(headers.provider, files.provider)
        AND scans.number_key = coalesce(headers.number_key, files.number_key)
LEFT JOIN statements ON files.provider = statements.provider AND files.number_key = statements.number_key
LEFT JOIN amendments
    ON
        coalesce(headers.provider, files.provider) = 'microsoft'
        AND amendments.number_key = coalesce(headers.number_key, files.number_key)
