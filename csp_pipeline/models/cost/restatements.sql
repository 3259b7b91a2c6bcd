-- What changed on documents that were known before, by customer: a new version against the one before it, and a document that
-- amends another against what both add up to (void notes first, then by date).
WITH versions AS (
    SELECT
        *,
        id_key(customer_id) AS customer
    FROM cost.invoice_versions
),

documents AS (
    SELECT DISTINCT
        invoice_number,
        billing_month,
        currency,
        provider,
        version_number,
        effective_at,
        source_files,
        is_current
    FROM versions
),

amendments AS (
    SELECT
        invoice.invoice_number,
        original.invoice_number AS original_number,
        CASE regexp_replace(lower(coalesce(invoice.document_type, '')), '[^a-z]', '', 'g')
            WHEN 'voidnote' THEN 'void'
            WHEN 'invoice' THEN 'replacement'
            ELSE 'credit_note'
        END AS change_kind,
        invoice.issued_on
    FROM cost.invoices AS invoice
    INNER JOIN cost.invoices AS original
        ON
            upper(trim(invoice.replaces_invoice_number)) = upper(trim(original.invoice_number))
            AND invoice.invoice_number <> original.invoice_number
            AND invoice.provider = original.provider
),

new_versions AS (
    SELECT
        'new_version' AS change_kind,
        document.invoice_number AS original_number,
        document.invoice_number,
        before.version_number AS version_before,
        document.version_number AS version_after,
        before.effective_at AS effective_before_at,
        document.effective_at AS effective_after_at,
        before.source_files AS files_before,
        document.source_files AS files_after
    FROM documents AS document
    INNER JOIN documents AS before
        ON
            document.provider = before.provider
            AND document.invoice_number = before.invoice_number
            AND before.version_number = document.version_number - 1
),

amended AS (
    SELECT
        amendment.change_kind,
        amendment.original_number,
        amendment.invoice_number,
        before.version_number AS version_before,
        document.version_number AS version_after,
        before.effective_at AS effective_before_at,
        document.effective_at AS effective_after_at,
        before.source_files AS files_before,
        document.source_files AS files_after,
        row_number() OVER (
            PARTITION BY amendment.original_number
            ORDER BY amendment.change_kind <> 'void', amendment.issued_on, amendment.invoice_number
        ) AS place
    FROM amendments AS amendment
    INNER JOIN documents AS before ON amendment.original_number = before.invoice_number AND before.is_current
    INNER JOIN documents AS document ON amendment.invoice_number = document.invoice_number AND document.is_current
),

-- each change with the sums it started from and those it ended with, a row per customer and side
sides AS (
    SELECT
        change.*,
        held.customer,
        held.customer_id,
        held.customer_name,
        held.subtotal_amount AS before_amount,
        CAST(0 AS DECIMAL(38, 18)) AS after_amount,
        held.line_count AS lines_before,
        0 AS lines_after
    FROM new_versions AS change
    INNER JOIN versions AS held
        ON change.invoice_number = held.invoice_number AND change.version_before = held.version_number
    UNION ALL
    SELECT
        change.*,
        held.customer,
        held.customer_id,
        held.customer_name,
        CAST(0 AS DECIMAL(38, 18)) AS before_amount,
        held.subtotal_amount AS after_amount,
        0 AS lines_before,
        held.line_count AS lines_after
    FROM new_versions AS change
    INNER JOIN versions AS held
        ON change.invoice_number = held.invoice_number AND change.version_after = held.version_number
    UNION ALL
    SELECT
        change.* EXCLUDE (place),
        held.customer,
        held.customer_id,
        held.customer_name,
        held.subtotal_amount AS before_amount,
        held.subtotal_amount AS after_amount,
        held.line_count AS lines_before,
        held.line_count AS lines_after
    FROM amended AS change
    INNER JOIN versions AS held ON change.original_number = held.invoice_number AND held.is_current
    UNION ALL
    SELECT
        change.* EXCLUDE (place),
        held.customer,
        held.customer_id,
        held.customer_name,
        CASE WHEN earlier.place < change.place THEN held.subtotal_amount ELSE 0 END AS before_amount,
        held.subtotal_amount AS after_amount,
        CASE WHEN earlier.place < change.place THEN held.line_count ELSE 0 END AS lines_before,
        held.line_count AS lines_after
    FROM amended AS change
    INNER JOIN amended AS earlier ON change.original_number = earlier.original_number AND change.place >= earlier.place
    INNER JOIN versions AS held ON earlier.invoice_number = held.invoice_number AND held.is_current
),

changes AS (
    SELECT
        change_kind,
        original_number,
        invoice_number,
        version_before,
        version_after,
        effective_before_at,
        effective_after_at,
        files_before,
        files_after,
        customer,
        min(customer_id) AS customer_id,
        min(customer_name) AS customer_name,
        sum(before_amount) AS subtotal_before_amount,
        sum(after_amount) AS subtotal_after_amount,
        sum(after_amount) - sum(before_amount) AS difference_amount,
        sum(lines_before) AS lines_before,
        sum(lines_after) AS lines_after
    FROM sides
    GROUP BY ALL
    HAVING sum(after_amount) <> sum(before_amount) OR sum(lines_before) <> sum(lines_after)
),

-- the customer's reconciled margin of the month, in the currency in which most of its cost is sold
reconciled AS (
    SELECT
        service_month,
        id_key(customer_id) AS customer,
        cost_currency,
        currency AS margin_currency,
        sum(margin_amount) AS margin_amount,
        abs(sum(cost_original_amount)) AS cost_amount,
        CASE WHEN currency = cost_currency THEN CAST(1 AS DECIMAL(38, 18)) ELSE max(fx_rate) END AS rate
    FROM reconciliation.revenue_vs_cost
    WHERE cost_currency IS NOT NULL
    GROUP BY service_month, customer, cost_currency, currency
),

margins AS (
    SELECT *
    FROM reconciled
    QUALIFY row_number() OVER (PARTITION BY service_month, customer, cost_currency ORDER BY cost_amount DESC, margin_currency) = 1
)

SELECT
    invoice.provider,
    invoice.billing_month,
    invoice.currency,
    changes.change_kind,
    changes.original_number AS original_invoice_number,
    changes.invoice_number,
    changes.customer_id,
    changes.customer_name,
    changes.version_before,
    changes.version_after,
    changes.effective_before_at,
    changes.effective_after_at,
    changes.files_before,
    changes.files_after,
    changes.lines_before,
    changes.lines_after,
    changes.subtotal_before_amount,
    changes.subtotal_after_amount,
    changes.difference_amount,
    margins.margin_currency,
    margins.margin_amount,
    round_units18(
        product_units18(units18(-changes.difference_amount), units18(margins.rate)),
        product_units36(units18(-changes.difference_amount), units18(margins.rate))
    ) AS margin_effect_amount
FROM changes
INNER JOIN cost.invoices AS invoice ON changes.original_number = invoice.invoice_number
LEFT JOIN margins
    ON
        invoice.billing_month = margins.service_month
        AND invoice.currency = margins.cost_currency
        AND changes.customer IS NOT DISTINCT FROM margins.customer
