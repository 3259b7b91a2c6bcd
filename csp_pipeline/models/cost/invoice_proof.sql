-- Header, lines, usage and the rounding that the published formulas predict, per document; what is left over is unexplained.
-- A line of a D document has no usage behind it that carries money: it stands with what its own figures make.
-- What lines and usage leave over is the sum over its customers; the gap to the header is the document's alone.
WITH documents AS (
    SELECT *
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency
),

customers AS (
    SELECT
        provider,
        invoice_number,
        sum(lines_amount) AS lines_amount,
        sum(lines_tax_amount) AS lines_tax_amount,
        sum(subtotal_amount) AS subtotal_amount,
        sum(daily_usage_amount) AS daily_usage_amount,
        sum(not_in_daily_usage_amount) AS not_in_daily_usage_amount,
        sum(rounding_amount) AS rounding_amount,
        sum(bounded_amount) AS bounded_amount,
        sum(usage_gap_amount) AS usage_gap_amount,
        CAST(sum(lines_in_daily_usage) AS BIGINT) AS lines_in_daily_usage,
        CAST(sum(matched_lines) AS BIGINT) AS matched_lines
    FROM cost.customer_proof
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY provider, invoice_number
),

untaxed AS (
    SELECT
        provider,
        invoice_number,
        bool_and(coalesce(tax_amount, 0) = 0) AS is_untaxed
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
    GROUP BY provider, invoice_number
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
        coalesce(customers.lines_amount, 0) AS lines_amount,
        coalesce(customers.lines_tax_amount, 0) AS lines_tax_amount,
        coalesce(untaxed.is_untaxed, FALSE) AS is_untaxed,
        coalesce(customers.subtotal_amount, 0) AS subtotal_amount,
        coalesce(customers.daily_usage_amount, 0) AS daily_usage_amount,
        coalesce(customers.not_in_daily_usage_amount, 0) AS not_in_daily_usage_amount,
        coalesce(customers.rounding_amount, 0) AS rounding_amount,
        coalesce(customers.bounded_amount, 0) AS bounded_amount,
        coalesce(customers.usage_gap_amount, 0) AS usage_gap_amount,
        coalesce(customers.matched_lines, 0) AS matched_lines,
        coalesce(customers.lines_in_daily_usage, 0) AS lines_in_daily_usage,
        quarantined.number_key IS NOT NULL AS is_incomplete
    FROM documents
    LEFT JOIN customers USING (provider, invoice_number)
    LEFT JOIN untaxed USING (provider, invoice_number)
    LEFT JOIN quarantined
        ON
            documents.provider = quarantined.provider
            AND quarantined.number_key IN (upper(trim(documents.invoice_number)), upper(trim(documents.reverses_invoice_number)))
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
        CAST(header_amount - lines_amount - document_tax_amount AS DECIMAL(38, 10)) AS header_gap_amount
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
        CAST(divide_half_away(matched_lines * 1000000, lines_in_daily_usage) AS DECIMAL(18, 0)) * CAST('0.0001' AS DECIMAL(5, 4))
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
    lines_in_daily_usage,
    matched_lines
FROM judged
