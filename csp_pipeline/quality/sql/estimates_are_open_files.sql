-- The estimates of an open month are the rows of its open files that count, to the last digit, and none once it is billed.
WITH files AS (
    SELECT
        kind,
        billing_month,
        currency,
        sum(amount_staged) AS amount
    FROM meta.open_month_files
    WHERE is_current
    GROUP BY ALL
),

estimated AS (
    SELECT
        'open_daily_usage' AS kind,
        billing_month,
        currency,
        sum(net_amount) AS amount
    FROM cost.usage_by_day
    WHERE is_estimate
    GROUP BY ALL
    UNION ALL
    SELECT
        'open_reconciliation' AS kind,
        billing_month,
        currency,
        sum(subtotal_amount) AS amount
    FROM cost.invoice_lines
    WHERE is_estimate
    GROUP BY ALL
)

SELECT
    coalesce(files.kind, estimated.kind) || ' ' || coalesce(files.billing_month, estimated.billing_month) || ' '
    || coalesce(files.currency, estimated.currency) AS subject,
    coalesce(files.amount, 0) || ' in the files' AS expected,
    coalesce(estimated.amount, 0) || ' estimated' AS found
FROM files
FULL JOIN estimated
    ON
        files.kind = estimated.kind
        AND files.billing_month = estimated.billing_month
        AND files.currency = estimated.currency
WHERE coalesce(files.amount, 0) <> coalesce(estimated.amount, 0)
ORDER BY abs(coalesce(files.amount, 0) - coalesce(estimated.amount, 0)) DESC, subject
