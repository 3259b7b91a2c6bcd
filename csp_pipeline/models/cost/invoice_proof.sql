-- Header, lines, usage and the rounding that the published formulas predict, per document; what is left over is unexplained.
-- A line of a D document has no usage behind it that carries money: it stands with what its own figures make.
-- Everything is exact until the two gaps are rounded to ten decimals, once.
WITH documents AS (
    SELECT *
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency
),

lines AS (
    SELECT
        provider,
        invoice_number,
        sum(total_amount) AS total_amount,
        sum(coalesce(tax_amount, 0)) AS tax_amount,
        bool_and(coalesce(tax_amount, 0) = 0) AS is_untaxed,
        sum(subtotal_amount) AS subtotal_amount,
        coalesce(sum(subtotal_amount) FILTER (WHERE NOT is_in_daily_usage), 0) AS other_amount,
        count(*) FILTER (WHERE is_in_daily_usage) AS usage_line_count
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
    GROUP BY provider, invoice_number
),

usage AS (
    SELECT
        invoice_number,
        sum(net_amount) AS net_amount,
        count(line_id) AS matched_count
    FROM cost.usage_groups
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY invoice_number
),

parts AS (
    SELECT
        invoice_number,
        coalesce(sum(bounded_amount + unexplained_amount) FILTER (WHERE kind = 'legacy_line'), 0) AS contradicted_amount,
        sum(rounding_amount) AS rounding_amount,
        sum(rounding_rest) AS rounding_rest,
        sum(bounded_amount) AS bounded_amount
    FROM cost.proof_parts
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY invoice_number
),

quarantined AS (
    SELECT
        provider_of(kind) AS provider,
        upper(trim(invoice_number)) AS number_key
    FROM meta.file_invoices
    WHERE is_current AND kind <> 'invoice_headers'
    GROUP BY provider, number_key
    HAVING sum(rows_quarantined) + sum(coalesce(rows_without_invoice, 0)) > 0
),

rates AS (
    SELECT DISTINCT
        CAST(CAST(rate_percent AS DECIMAL(18, 4)) * 10000 AS BIGINT) AS percent4,
        0 AS preference
    FROM reference.tax_rates
    WHERE rate_percent IS NOT NULL
    UNION ALL
    SELECT
        half_percents * 5000 AS percent4,
        1 AS preference
    FROM range(6, 61) AS steps (half_percents)
),

summed AS (
    SELECT
        documents.invoice_number,
        documents.provider,
        documents.header_amount,
        documents.stated_tax_amount,
        coalesce(lines.total_amount, 0) AS lines_amount,
        coalesce(lines.tax_amount, 0) AS lines_tax_amount,
        coalesce(lines.is_untaxed, FALSE) AS is_untaxed,
        coalesce(lines.subtotal_amount, 0) AS subtotal_amount,
        coalesce(usage.net_amount, 0) AS daily_usage_amount,
        coalesce(lines.other_amount, 0) - coalesce(parts.contradicted_amount, 0) AS not_in_daily_usage_amount,
        coalesce(parts.rounding_amount, 0) AS rounding_amount,
        coalesce(parts.rounding_rest, 0) AS rounding_rest,
        coalesce(parts.bounded_amount, 0) AS bounded_amount,
        coalesce(usage.matched_count, 0) AS matched_count,
        coalesce(lines.usage_line_count, 0) AS usage_line_count,
        quarantined.number_key IS NOT NULL AS is_incomplete
    FROM documents
    LEFT JOIN lines USING (provider, invoice_number)
    LEFT JOIN usage ON documents.provider = 'microsoft' AND documents.invoice_number = usage.invoice_number
    LEFT JOIN parts ON documents.provider = 'microsoft' AND documents.invoice_number = parts.invoice_number
    LEFT JOIN quarantined
        ON documents.provider = quarantined.provider AND quarantined.number_key = upper(trim(documents.invoice_number))
),

inferred AS (
    SELECT
        summed.provider,
        summed.invoice_number,
        arg_min(rates.percent4, (rates.preference, rates.percent4)) AS percent4
    FROM summed
    INNER JOIN rates
        ON divide_half_away(
            units18(summed.subtotal_amount) * rates.percent4, CAST(1000000 AS HUGEINT) * one_minor_unit18($minor_decimals)
        ) * one_minor_unit18($minor_decimals) = units18(summed.header_amount - summed.lines_amount)
    WHERE summed.stated_tax_amount IS NULL AND summed.is_untaxed AND summed.header_amount <> summed.lines_amount
    GROUP BY summed.provider, summed.invoice_number
),

taxed AS (
    SELECT
        summed.*,
        inferred.percent4 AS inferred_percent4,
        CASE
            WHEN summed.stated_tax_amount IS NOT NULL THEN summed.stated_tax_amount - summed.lines_tax_amount
            WHEN inferred.percent4 IS NOT NULL THEN summed.header_amount - summed.lines_amount
            ELSE 0
        END AS document_tax_amount
    FROM summed
    LEFT JOIN inferred USING (provider, invoice_number)
),

gaps AS (
    SELECT
        *,
        CAST(header_amount - lines_amount - document_tax_amount AS DECIMAL(38, 10)) AS header_gap_amount,
        round_units18(
            units18(subtotal_amount - daily_usage_amount - not_in_daily_usage_amount - rounding_amount - bounded_amount),
            -rounding_rest
        ) AS usage_gap_amount
    FROM taxed
),

judged AS (
    SELECT
        *,
        greatest(abs(coalesce(header_gap_amount, 0)), abs(usage_gap_amount)) AS unexplained_amount
    FROM gaps
)

SELECT
    provider,
    invoice_number,
    $billing_month AS billing_month,
    $currency AS currency,
    header_amount,
    lines_amount,
    lines_tax_amount,
    document_tax_amount,
    daily_usage_amount,
    not_in_daily_usage_amount,
    rounding_amount,
    bounded_amount,
    header_gap_amount,
    usage_gap_amount,
    unexplained_amount,
    CAST(
        CAST(divide_half_away(matched_count * 1000000, usage_line_count) AS DECIMAL(18, 0)) * CAST('0.0001' AS DECIMAL(5, 4))
        AS DECIMAL(18, 4)
    ) AS matched_lines_percent,
    CASE
        WHEN is_incomplete THEN 'incomplete'
        WHEN header_amount IS NULL OR unexplained_amount <> 0 THEN 'unproven'
        WHEN bounded_amount <> 0 THEN 'bounded'
        ELSE 'proven'
    END AS proof_state,
    subtotal_amount,
    inferred_percent4 IS NOT NULL AS is_document_tax_inferred,
    CAST(inferred_percent4 * CAST('0.0001' AS DECIMAL(5, 4)) AS DECIMAL(18, 4)) AS document_tax_percent,
    usage_line_count AS lines_in_daily_usage,
    matched_count AS matched_lines
FROM judged
