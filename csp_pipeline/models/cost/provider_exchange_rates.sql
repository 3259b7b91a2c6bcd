-- The provider's sheet of exchange rates: US dollars for one unit of a currency, as seen last, and the other way round. The rate
-- of a line is its own.
WITH seen AS (
    SELECT
        regexp_replace(month, '[^0-9]', '', 'g') AS digits,
        upper(trim(currency_code)) AS currency,
        usd_per_unit,
        snapshot_on,
        source_file
    FROM staged_fx_rates
    WHERE usd_per_unit IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY digits, currency ORDER BY snapshot_on DESC, scan_number DESC, file_sha256 ASC, source_row ASC
    ) = 1
)

SELECT
    left(digits, 4) || '-' || substr(digits, 5, 2) AS rate_month,
    currency,
    usd_per_unit AS usd_per_unit_rate,
    from_units10(
        divide_half_away(CAST('10000000000000000000000000000' AS HUGEINT), units18(usd_per_unit))
    ) AS units_per_usd_rate,
    snapshot_on AS seen_on,
    source_file
FROM seen
WHERE length(digits) = 6
