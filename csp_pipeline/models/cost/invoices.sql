-- One row per document of the provider: from its header, completed by the files that carry its lines. What a void note has no file
-- of its own for is derived: without one of lines it reverses the lines of the document that it voids, without one of usage its usage.
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
        sum(tax_staged) FILTER (WHERE NOT is_usage) AS tax_amount,
        bool_or(NOT is_usage) AS has_lines,
        bool_or(is_usage) AS has_usage
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
),

derived AS (
    SELECT
        void.number_key,
        original.invoice_number AS reverses_invoice_number,
        coalesce(strftime(original_header.billing_period_start_date, '%Y-%m'), original.lines_month) AS original_month,
        original.currency,
        -original.total_amount AS total_amount,
        -original.tax_amount AS tax_amount,
        NOT coalesce(own.has_lines, FALSE) AS are_lines_derived,
        original.has_usage AND NOT coalesce(own.has_usage, FALSE) AS is_usage_derived
    FROM headers AS void
    INNER JOIN files AS original
        ON
            void.provider = original.provider
            AND void.number_key <> original.number_key
            AND original.number_key = upper(trim(void.amends_of))
    LEFT JOIN headers AS original_header ON original.number_key = original_header.number_key
    LEFT JOIN files AS own ON void.provider = own.provider AND void.number_key = own.number_key
    WHERE
        regexp_replace(lower(void.document_type), '[^a-z]', '', 'g') = 'voidnote'
        AND (are_lines_derived OR is_usage_derived)
),

completed AS (
    SELECT
        coalesce(headers.provider, files.provider) AS provider,
        coalesce(headers.number_key, files.number_key) AS number_key,
        files.* EXCLUDE (provider, number_key, currency, total_amount, tax_amount, has_lines, has_usage),
        coalesce(files.currency, derived.currency) AS lines_currency,
        coalesce(files.total_amount, derived.total_amount) AS lines_total_amount,
        coalesce(files.tax_amount, derived.tax_amount) AS lines_tax_amount,
        derived.reverses_invoice_number,
        coalesce(derived.are_lines_derived, FALSE) AS are_lines_derived,
        coalesce(derived.is_usage_derived, FALSE) AS is_usage_derived,
        derived.original_month,
        headers.* EXCLUDE (provider, number_key, invoice_number),
        headers.invoice_number AS header_number,
        upper(coalesce(headers.currency_code, lines_currency)) = upper(coalesce(lines_currency, headers.currency_code)) AS is_comparable
    FROM headers
    FULL JOIN files ON headers.provider = files.provider AND headers.number_key = files.number_key
    LEFT JOIN derived ON headers.number_key = derived.number_key
)

-- what a header says in another currency than its lines is no amount of the document
SELECT
    document.provider,
    coalesce(document.header_number, document.invoice_number) AS invoice_number,
    document.document_type,
    coalesce(
        strftime(document.billing_period_start_date, '%Y-%m'),
        document.lines_month,
        document.original_month,
        strftime(coalesce(document.invoice_date, statements.issued_on), '%Y-%m'),
        scans.scan_month
    ) AS billing_month,
    coalesce(document.invoice_date, statements.issued_on) AS issued_on,
    coalesce(document.due_date, statements.due_on) AS due_on,
    upper(coalesce(document.lines_currency, document.currency_code)) AS currency,
    coalesce(
        CASE WHEN document.is_comparable THEN document.total_charges END, statements.total_amount, document.lines_total_amount
    ) AS total_amount,
    coalesce(CASE WHEN document.is_comparable THEN document.tax_total END, document.lines_tax_amount) AS tax_amount,
    CASE
        WHEN document.are_lines_derived THEN 'derived'
        WHEN amendments.is_voided THEN 'voided'
        WHEN amendments.is_replaced THEN 'replaced'
        ELSE 'billed'
    END AS state,
    nullif(document.amends_of, '') AS replaces_invoice_number,
    document.billing_period_start_date AS period_start_on,
    document.billing_period_end_date AS period_end_on,
    CASE WHEN document.is_comparable THEN coalesce(document.total_charges, statements.total_amount) END AS header_amount,
    CASE WHEN document.is_comparable THEN document.tax_total END AS stated_tax_amount,
    document.invoice_number IS NOT NULL AS has_files,
    document.reverses_invoice_number,
    document.are_lines_derived,
    document.is_usage_derived
FROM completed AS document
LEFT JOIN scans ON document.provider = scans.provider AND document.number_key = scans.number_key
LEFT JOIN statements ON document.provider = statements.provider AND document.number_key = statements.number_key
LEFT JOIN amendments ON document.provider = 'microsoft' AND document.number_key = amendments.number_key
