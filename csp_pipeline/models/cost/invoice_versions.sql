-- Every version of the partition's documents, by customer: what was known from the time it was made until the next one was.
WITH versions AS (
    SELECT
        upper(versions.invoice_number) AS number_key,
        versions.version_number,
        min(versions.effective_at) AS effective_at,
        min(versions.superseded_at) AS superseded_at,
        bool_and(versions.is_current) AS is_current,
        string_agg(versions.source_file, ', ' ORDER BY versions.source_file) AS source_files
    FROM meta.document_versions AS versions
    WHERE versions.kind = 'reconciliation'
    GROUP BY number_key, versions.version_number
),

sums AS (
    SELECT
        invoice.provider,
        invoice.invoice_number,
        upper(invoice.invoice_number) AS number_key,
        line.version_number,
        id_key(line.customer_id) AS customer,
        min(line.customer_id) AS customer_id,
        arg_min(line.customer_name, line.source_row) AS customer_name,
        count(*) AS line_count,
        sum(line.subtotal) AS subtotal_amount,
        sum(coalesce(line.tax_total, 0)) AS tax_amount,
        sum(coalesce(line.total, line.subtotal + coalesce(line.tax_total, 0))) AS total_amount
    FROM staged_reconciliation_versions AS line
    INNER JOIN cost.invoices AS invoice ON upper(invoice.invoice_number) = upper(line.invoice_number)
    WHERE invoice.billing_month = $billing_month AND invoice.currency = $currency
    GROUP BY invoice.provider, invoice.invoice_number, line.version_number, customer
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    sums.provider,
    sums.invoice_number,
    sums.version_number,
    versions.effective_at,
    versions.superseded_at,
    versions.is_current,
    sums.customer_id,
    sums.customer_name,
    sums.line_count,
    sums.subtotal_amount,
    sums.tax_amount,
    sums.total_amount,
    versions.source_files
FROM sums
INNER JOIN versions USING (number_key, version_number)
