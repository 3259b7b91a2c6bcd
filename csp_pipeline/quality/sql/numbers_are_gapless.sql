-- Issued documents are numbered from 1 without gap in each series and year; drafts have no number, and issued ones have one.
WITH numbered AS (
    SELECT
        regexp_extract(invoice_number, '^(.*)-[0-9]+$', 1) AS series,
        cast(regexp_extract(invoice_number, '[0-9]+$') AS BIGINT) AS number
    FROM billing.invoices
    WHERE invoice_number IS NOT NULL
),

runs AS (
    SELECT
        series,
        count(*) AS documents,
        count(DISTINCT number) AS numbers,
        min(number) AS first_number,
        max(number) AS last_number
    FROM numbered
    GROUP BY series
)

SELECT
    'series ' || series AS subject,
    documents || ' numbers from 1' AS expected,
    numbers || ' from ' || first_number || ' to ' || last_number AS found
FROM runs
WHERE documents <> numbers OR first_number <> 1 OR last_number <> documents
UNION ALL
SELECT
    invoice_id AS subject,
    CASE WHEN state = 'draft' THEN 'no number' ELSE 'a number' END AS expected,
    coalesce(invoice_number, 'none') AS found
FROM billing.invoices
WHERE (state = 'draft') <> (invoice_number IS NULL)
ORDER BY subject
