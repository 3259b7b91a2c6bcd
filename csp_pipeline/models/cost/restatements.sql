-- What changed on documents that were known before, by customer: a new version of its lines or of its usage against the one before
-- it, and a document that amends another against what both add up to (void notes first, then by date).
WITH versions AS (
    SELECT
        *,
        id_key(customer_id) AS customer
    FROM cost.invoice_versions
),

documents AS (
    SELECT DISTINCT
        provider,
        invoice_number,
        source_kind,
        version_number,
        effective_at,
        source_files,
        is_current
    FROM versions
),

current_documents AS (
    SELECT
        provider,
        invoice_number,
        max(version_number) AS version_number,
        max(effective_at) AS effective_at,
        string_agg(source_files, ', ' ORDER BY source_kind) AS source_files
    FROM documents
    WHERE is_current
    GROUP BY ALL
),

amendments AS (
    SELECT
        invoice.provider,
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
        document.provider,
        document.invoice_number AS original_number,
        document.invoice_number,
        document.source_kind,
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
            AND document.source_kind = before.source_kind
            AND before.version_number = document.version_number - 1
),

amended AS (
    SELECT
        amendment.change_kind,
        amendment.provider,
        amendment.original_number,
        amendment.invoice_number,
        CAST(NULL AS VARCHAR) AS source_kind,
        before.version_number AS version_before,
        document.version_number AS version_after,
        before.effective_at AS effective_before_at,
        document.effective_at AS effective_after_at,
        before.source_files AS files_before,
        document.source_files AS files_after,
        row_number() OVER (
            PARTITION BY amendment.provider, amendment.original_number
            ORDER BY amendment.change_kind <> 'void', amendment.issued_on, amendment.invoice_number
        ) AS place
    FROM amendments AS amendment
    INNER JOIN current_documents AS before
        ON amendment.provider = before.provider AND amendment.original_number = before.invoice_number
    INNER JOIN current_documents AS document
        ON amendment.provider = document.provider AND amendment.invoice_number = document.invoice_number
),

-- each change with the versions whose rows it started from and those it ended with
sides AS (
    SELECT
        change.*,
        change.invoice_number AS held_number,
        change.source_kind AS held_kind,
        CASE WHEN step.counts_after = 1 THEN change.version_after ELSE change.version_before END AS held_version,
        1 - step.counts_after AS counts_before,
        step.counts_after
    FROM new_versions AS change
    CROSS JOIN (VALUES (0), (1)) AS step (counts_after)
    UNION ALL BY NAME
    SELECT
        change.* EXCLUDE (place),
        change.original_number AS held_number,
        1 AS counts_before,
        1 AS counts_after
    FROM amended AS change
    UNION ALL BY NAME
    SELECT
        change.* EXCLUDE (place),
        earlier.invoice_number AS held_number,
        CAST(earlier.place < change.place AS INTEGER) AS counts_before,
        1 AS counts_after
    FROM amended AS change
    INNER JOIN amended AS earlier
        ON
            change.provider = earlier.provider
            AND change.original_number = earlier.original_number
            AND change.place >= earlier.place
),

changes AS (
    SELECT
        side.change_kind,
        side.provider,
        side.original_number,
        side.invoice_number,
        side.source_kind,
        side.version_before,
        side.version_after,
        side.effective_before_at,
        side.effective_after_at,
        side.files_before,
        side.files_after,
        held.customer,
        min(held.customer_id) AS customer_id,
        min(held.customer_name) AS customer_name,
        coalesce(sum(held.subtotal_amount) FILTER (WHERE side.counts_before = 1), 0) AS subtotal_before_amount,
        coalesce(sum(held.subtotal_amount) FILTER (WHERE side.counts_after = 1), 0) AS subtotal_after_amount,
        subtotal_after_amount - subtotal_before_amount AS difference_amount,
        coalesce(sum(held.usage_amount) FILTER (WHERE side.counts_before = 1), 0) AS usage_before_amount,
        coalesce(sum(held.usage_amount) FILTER (WHERE side.counts_after = 1), 0) AS usage_after_amount,
        usage_after_amount - usage_before_amount AS usage_difference_amount,
        coalesce(sum(held.line_count) FILTER (WHERE side.counts_before = 1), 0) AS lines_before,
        coalesce(sum(held.line_count) FILTER (WHERE side.counts_after = 1), 0) AS lines_after
    FROM sides AS side
    INNER JOIN versions AS held
        ON
            side.provider = held.provider
            AND side.held_number = held.invoice_number
            AND CASE
                WHEN side.held_version IS NULL THEN held.is_current
                ELSE side.held_kind = held.source_kind AND side.held_version = held.version_number
            END
    GROUP BY ALL
    HAVING difference_amount <> 0 OR usage_difference_amount <> 0 OR lines_before <> lines_after
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
    changes.source_kind,
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
    changes.usage_before_amount,
    changes.usage_after_amount,
    changes.usage_difference_amount,
    margins.margin_currency,
    margins.margin_amount,
    round_units18(
        product_units18(units18(-changes.difference_amount), units18(margins.rate)),
        product_units36(units18(-changes.difference_amount), units18(margins.rate))
    ) AS margin_effect_amount
FROM changes
INNER JOIN cost.invoices AS invoice ON changes.provider = invoice.provider AND changes.original_number = invoice.invoice_number
LEFT JOIN margins
    ON
        invoice.billing_month = margins.service_month
        AND invoice.currency = margins.cost_currency
        AND changes.customer IS NOT DISTINCT FROM margins.customer
