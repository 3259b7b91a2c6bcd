-- The versions of documents that count sum to the billed lines and the daily usage of those documents.
WITH versions AS (
    SELECT
        provider,
        invoice_number,
        sum(subtotal_amount) AS amount,
        sum(usage_amount) AS usage
    FROM cost.invoice_versions
    WHERE is_current
    GROUP BY ALL
),

lines AS (
    SELECT
        provider,
        invoice_number,
        sum(subtotal_amount) AS amount,
        sum(daily_usage_amount) AS usage
    FROM cost.invoice_proof
    GROUP BY ALL
)

SELECT
    coalesce(lines.invoice_number, versions.invoice_number) AS subject,
    coalesce(lines.amount, 0) || ' on its lines and ' || coalesce(lines.usage, 0) || ' of usage' AS expected,
    coalesce(versions.amount, 0) || ' and ' || coalesce(versions.usage, 0) || ' in the versions that count' AS found
FROM lines
FULL JOIN versions ON lines.provider = versions.provider AND lines.invoice_number = versions.invoice_number
WHERE coalesce(lines.amount, 0) <> coalesce(versions.amount, 0) OR coalesce(lines.usage, 0) <> coalesce(versions.usage, 0)
ORDER BY abs(coalesce(lines.amount, 0) - coalesce(versions.amount, 0)) DESC, subject
