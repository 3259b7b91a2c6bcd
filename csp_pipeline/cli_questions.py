"""The questions that the summary of a run puts to the published copy, one SELECT each.

What belongs here: SQL. What is made of the answers is `cli_summary.py`; no figure is computed here that is not a sum of
published rows.
"""

INVOICES = """
SELECT
    proof.provider,
    proof.invoice_number,
    proof.billing_month,
    proof.currency,
    proof.header_amount,
    proof.lines_amount,
    proof.document_tax_amount,
    proof.daily_usage_amount,
    proof.not_in_daily_usage_amount,
    proof.rounding_amount,
    proof.bounded_amount,
    proof.unexplained_amount,
    proof.matched_lines_percent,
    proof.proof_state
FROM cost.invoice_proof AS proof
ORDER BY proof.billing_month, proof.currency, proof.invoice_number
"""

DISPUTES = """
SELECT
    provider,
    invoice_number,
    case_number,
    state,
    customer_id,
    disputed_amount,
    currency,
    unexplained_amount,
    proof_state,
    not_found
FROM cost.disputes
ORDER BY state <> 'open', invoice_number, case_number, customer_id, line_id
"""

TOTALS = """
SELECT
    currency,
    sum(revenue_amount) FILTER (WHERE service_month = $month) AS month_revenue_amount,
    CASE WHEN bool_and(is_costed) FILTER (WHERE service_month = $month)
        THEN coalesce(sum(cost_amount) FILTER (WHERE service_month = $month), 0) END AS month_cost_amount,
    CASE WHEN bool_and(is_costed) FILTER (WHERE service_month = $month)
        THEN coalesce(sum(margin_amount) FILTER (WHERE service_month = $month), 0) END AS month_margin_amount,
    sum(revenue_amount) AS revenue_amount,
    CASE WHEN bool_and(is_costed) THEN sum(cost_amount) END AS cost_amount,
    CASE WHEN bool_and(is_costed) THEN sum(margin_amount) END AS margin_amount,
    count(*) FILTER (WHERE NOT is_costed) AS rows_without_rate
FROM (
    SELECT *, cost_amount IS NOT NULL OR coalesce(cost_original_amount, 0) = 0 AS is_costed
    FROM reconciliation.revenue_vs_cost
)
GROUP BY currency
ORDER BY currency
"""

IN_REPORTING_CURRENCY = """
SELECT
    reporting_currency AS currency,
    max(revenue_amount) FILTER (WHERE service_month = $month) AS month_revenue_amount,
    max(cost_amount) FILTER (WHERE service_month = $month) AS month_cost_amount,
    max(margin_amount) FILTER (WHERE service_month = $month) AS month_margin_amount,
    max(margin_percent) FILTER (WHERE service_month = $month) AS month_margin_percent,
    CASE WHEN bool_and(revenue_amount IS NOT NULL) THEN sum(revenue_amount) END AS revenue_amount,
    CASE WHEN bool_and(cost_amount IS NOT NULL) THEN sum(cost_amount) END AS cost_amount,
    CASE WHEN bool_and(margin_amount IS NOT NULL) THEN sum(margin_amount) END AS margin_amount
FROM reconciliation.totals
GROUP BY reporting_currency
"""

MISSING_RATES = """
SELECT
    reporting_currency AS currency,
    missing_rates,
    min(service_month) AS first_month,
    max(service_month) AS last_month,
    count(*) AS months
FROM reconciliation.totals
WHERE NOT is_complete
GROUP BY ALL
ORDER BY first_month, missing_rates
"""

CAUSES = """
SELECT
    cause,
    currency,
    count(*) AS differences,
    sum(amount) FILTER (WHERE service_month = $month) AS month_amount,
    sum(amount) AS amount,
    sum(quantity) AS quantity,
    count(*) FILTER (WHERE list_contains($starred, cause) AND resolution IS DISTINCT FROM 'accepted') AS needs_a_person,
    sum(amount) FILTER (WHERE resolution IS DISTINCT FROM 'accepted') AS not_accepted_amount,
    arg_max(explanation, abs(amount)) AS largest
FROM reconciliation.differences
GROUP BY cause, currency
ORDER BY abs(sum(amount)) DESC, cause, currency
"""

EXPLAINED = """
SELECT
    currency,
    sum(absolute_amount) AS absolute_amount,
    sum(explained_amount) AS explained_amount,
    sum(unexplained_amount) AS unexplained_amount,
    sum(open_amount) AS open_amount
FROM reconciliation.explained_share
GROUP BY currency
ORDER BY currency
"""

DRAFTS = """
SELECT
    billing_month,
    currency,
    count(*) FILTER (WHERE state = 'draft') AS drafts,
    count(*) FILTER (WHERE state <> 'draft') AS issued,
    sum(net_amount) AS net_amount,
    sum(tax_amount) AS tax_amount,
    sum(gross_amount) AS gross_amount
FROM billing.invoices
WHERE billing_month = $month
GROUP BY ALL
ORDER BY currency
"""

FILES = """
WITH set_aside AS (
    SELECT
        file_sha256,
        arg_min(
            concat(
                'row ', source_row, coalesce(', ' || column_name, ''), ' = ', chr(39), value, chr(39), ' (', reason, ')'
            ),
            (source_row, column_name)
        ) AS first_quarantined
    FROM meta.quarantine
    GROUP BY file_sha256
)

SELECT
    files.source_file,
    files.kind,
    files.status,
    files.rows_total,
    files.rows_staged,
    files.rows_quarantined,
    files.message,
    set_aside.first_quarantined
FROM meta.files AS files
LEFT JOIN set_aside ON files.file_sha256 = set_aside.file_sha256
ORDER BY files.status = 'staged', files.source_file
"""

QUARANTINE = """
SELECT
    source_file,
    source_row,
    column_name,
    value,
    reason
FROM meta.quarantine
ORDER BY source_file, source_row, column_name
LIMIT 20
"""

NOTICES = """
SELECT * FROM (
    SELECT table_name, source_file, source_row, column_name, severity, message FROM reference.notices
    UNION ALL
    SELECT DISTINCT 'contract_lines', NULL, NULL, NULL, severity, message FROM billing.notices
)
ORDER BY severity = 'notice', table_name, source_row, message
"""
