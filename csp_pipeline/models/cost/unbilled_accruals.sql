-- What the latest open-month data of a month say it will cost, by customer: usage, and the lines that no usage stands behind.
-- It stays after the invoice has come, beside what was billed, so that the accrual can be released.
WITH used AS (
    SELECT
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        id_key(product_id) AS product,
        id_key(sku_id) AS sku,
        min(customer_id) AS customer_id,
        sum(billing_pre_tax_total) AS amount
    FROM staged_latest_open_daily_usage
    WHERE billing_month = $billing_month AND billing_currency = $currency
    GROUP BY customer, subscription, product, sku
),

other AS (
    SELECT
        line.customer_id,
        line.subtotal AS amount
    FROM staged_latest_open_reconciliation AS line
    LEFT JOIN used
        ON
            used.customer IS NOT DISTINCT FROM id_key(line.customer_id)
            AND used.subscription IS NOT DISTINCT FROM id_key(line.subscription_id)
            AND used.product IS NOT DISTINCT FROM id_key(line.product_id)
            AND used.sku IS NOT DISTINCT FROM id_key(line.sku_id)
    WHERE
        line.billing_month = $billing_month
        AND line.currency = $currency
        AND (
            used.amount IS NULL
            OR lower(coalesce(line.charge_type, '')) = 'customercredit'
            OR coalesce(trim(line.credit_reason_code), '') <> ''
        )
),

accrued AS (
    SELECT
        id_key(customer_id) AS customer,
        min(customer_id) AS customer_id,
        sum(usage_amount) AS usage_amount,
        sum(other_amount) AS other_amount
    FROM (
        SELECT
            customer_id,
            amount AS usage_amount,
            CAST(0 AS DECIMAL(38, 18)) AS other_amount
        FROM used
        UNION ALL
        SELECT
            customer_id,
            CAST(0 AS DECIMAL(38, 18)) AS usage_amount,
            amount AS other_amount
        FROM other
    ) AS parts
    GROUP BY customer
),

-- The invoices that bill what was open: those of new commerce, with their lines.
documents AS (
    SELECT
        invoice.invoice_number,
        coalesce(invoice.issued_on, CAST(min(file.scanned_at) AS DATE)) AS billed_on
    FROM cost.invoices AS invoice
    INNER JOIN meta.file_invoices AS file
        ON
            upper(invoice.invoice_number) = upper(file.invoice_number)
            AND file.kind = 'reconciliation'
            AND file.is_current
            AND file.rows_staged > 0
    WHERE invoice.billing_month = $billing_month AND invoice.currency = $currency
    GROUP BY invoice.invoice_number, invoice.issued_on
),

billed AS (
    SELECT
        id_key(line.customer_id) AS customer,
        min(line.customer_id) AS customer_id,
        sum(line.subtotal_amount) AS billed_amount
    FROM cost.invoice_lines AS line
    INNER JOIN documents ON line.invoice_number = documents.invoice_number
    WHERE
        line.billing_month = $billing_month
        AND line.currency = $currency
        AND NOT line.is_estimate
        AND EXISTS (SELECT 1 FROM accrued)
    GROUP BY customer
),

release AS (
    SELECT strftime(min(billed_on), '%Y-%m') AS released_month
    FROM documents
),

versions AS (
    SELECT max(effective_at) AS as_of_at
    FROM meta.open_month_files
    WHERE billing_month = $billing_month AND currency = $currency AND is_latest
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    coalesce(accrued.customer_id, billed.customer_id) AS customer_id,
    coalesce(accrued.usage_amount, 0) AS usage_amount,
    coalesce(accrued.other_amount, 0) AS other_amount,
    coalesce(accrued.usage_amount + accrued.other_amount, 0) AS accrued_amount,
    versions.as_of_at,
    release.released_month,
    CASE
        WHEN release.released_month IS NULL THEN coalesce(accrued.usage_amount + accrued.other_amount, 0)
        ELSE 0
    END AS open_amount,
    CASE WHEN release.released_month IS NOT NULL THEN coalesce(billed.billed_amount, 0) END AS billed_amount,
    CASE
        WHEN release.released_month IS NOT NULL
            THEN coalesce(billed.billed_amount, 0) - coalesce(accrued.usage_amount + accrued.other_amount, 0)
    END AS difference_amount
FROM accrued
FULL JOIN billed ON accrued.customer IS NOT DISTINCT FROM billed.customer
CROSS JOIN release
CROSS JOIN versions
