-- Questions with a parameter, kept in the published copy beside its tables.

-- What was known at the end of a day (UTC) of each provider document, by kind of file and customer: of the versions found by then
-- the latest. Subtotals sum to cost; usage_amount stands beside them.
CREATE OR REPLACE MACRO cost.known_on(as_of_on) AS TABLE
    SELECT *
    FROM cost.invoice_versions
    WHERE known_at < CAST(as_of_on AS DATE) + INTERVAL 1 DAY
    QUALIFY version_number = max(version_number) OVER (PARTITION BY provider, invoice_number, source_kind);
