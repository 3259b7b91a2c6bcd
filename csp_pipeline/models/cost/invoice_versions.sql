-- Every version of the partition's documents, by customer and kind of file: lines with their amounts, daily usage apart from
-- them. A void note without a file of its own is known from its header on, by what was then known of the document that it voids.
WITH documents AS (
    SELECT
        provider,
        invoice_number,
        upper(trim(invoice_number)) AS number_key,
        CASE WHEN are_lines_derived THEN upper(trim(reverses_invoice_number)) END AS reversed_key,
        CASE WHEN is_usage_derived THEN upper(trim(reverses_invoice_number)) END AS reversed_usage_key,
        CASE
            WHEN regexp_replace(lower(document_type), '[^a-z]', '', 'g') = 'voidnote' THEN upper(trim(replaces_invoice_number))
        END AS voided_key
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency
),

versions AS (
    SELECT
        provider_of(kind) AS provider,
        kind,
        upper(trim(invoice_number)) AS number_key,
        version_number,
        min(known_at) AS known_at,
        min(effective_at) AS effective_at,
        min(superseded_at) AS superseded_at,
        bool_and(is_current) AS is_current,
        string_agg(source_file, ', ' ORDER BY source_file) AS source_files
    FROM meta.document_versions
    WHERE kind <> 'legacy_daily_usage'
    GROUP BY provider, kind, number_key, version_number
),

-- whom a line is charged to, where the line itself names nobody: the tenant that the lines that count found
told AS (
    SELECT
        line.provider,
        coalesce(documents.reversed_key, documents.number_key) AS number_key,
        id_key(line.subscription_id) AS subscription,
        id_key(line.customer_domain_name) AS domain_key,
        line.customer_id
    FROM cost.invoice_lines AS line
    INNER JOIN documents ON line.provider = documents.provider AND line.invoice_number = documents.invoice_number
    WHERE
        line.billing_month = $billing_month
        AND line.currency = $currency
        AND NOT line.is_estimate
        AND line.source_kind IN ('legacy_usage', 'distributor_invoice')
),

tenants_by_subscription AS (
    SELECT
        provider,
        number_key,
        subscription,
        min(customer_id) AS customer_id
    FROM told
    WHERE subscription IS NOT NULL
    GROUP BY ALL
    HAVING count(DISTINCT id_key(customer_id)) = 1
),

tenants_by_domain AS (
    SELECT
        provider,
        number_key,
        domain_key,
        min(customer_id) AS customer_id
    FROM told
    WHERE domain_key IS NOT NULL
    GROUP BY ALL
    HAVING count(DISTINCT id_key(customer_id)) = 1
),

lines AS (
    SELECT
        line.*,
        provider_of(line.kind) AS provider,
        upper(trim(line.invoice_number)) AS number_key,
        CASE
            WHEN line.kind IN ('reconciliation', 'legacy_licence') THEN line.customer_id
            ELSE coalesce(by_subscription.customer_id, by_domain.customer_id, line.customer_id, line.customer_name)
        END AS charged_customer_id
    FROM staged_line_versions AS line
    LEFT JOIN tenants_by_subscription AS by_subscription
        ON
            provider_of(line.kind) = by_subscription.provider
            AND by_subscription.number_key = upper(trim(line.invoice_number))
            AND by_subscription.subscription = id_key(line.subscription_id)
    LEFT JOIN tenants_by_domain AS by_domain
        ON
            provider_of(line.kind) = by_domain.provider
            AND by_domain.number_key = upper(trim(line.invoice_number))
            AND by_domain.domain_key = id_key(line.customer_domain_name)
),

line_sums AS (
    SELECT
        provider,
        kind,
        number_key,
        version_number,
        id_key(charged_customer_id) AS customer,
        min(charged_customer_id) AS customer_id,
        arg_min(customer_name, (source_row, customer_name)) AS customer_name,
        count(*) AS line_count,
        sum(subtotal) AS subtotal_amount,
        sum(coalesce(tax, 0)) AS tax_amount,
        sum(total) AS total_amount
    FROM lines
    GROUP BY provider, kind, number_key, version_number, customer
),

sums AS (
    SELECT
        *,
        CAST(0 AS DECIMAL(38, 18)) AS usage_amount
    FROM line_sums
    UNION ALL BY NAME
    SELECT
        'microsoft' AS provider,
        usage.kind,
        upper(trim(usage.invoice_number)) AS number_key,
        usage.version_number,
        min(usage.customer_id) AS customer_id,
        count(*) AS line_count,
        CAST(0 AS DECIMAL(38, 18)) AS subtotal_amount,
        CAST(0 AS DECIMAL(38, 18)) AS tax_amount,
        CAST(0 AS DECIMAL(38, 18)) AS total_amount,
        sum(usage.net) AS usage_amount
    FROM staged_usage_versions AS usage
    GROUP BY usage.kind, upper(trim(usage.invoice_number)), usage.version_number, id_key(usage.customer_id)
    UNION ALL BY NAME
    SELECT
        'microsoft' AS provider,
        'daily_usage' AS kind,
        coalesce(documents.reversed_usage_key, documents.number_key) AS number_key,
        versions.version_number,
        min(used.customer_id) AS customer_id,
        CAST(sum(used.usage_rows) AS BIGINT) AS line_count,
        CAST(0 AS DECIMAL(38, 18)) AS subtotal_amount,
        CAST(0 AS DECIMAL(38, 18)) AS tax_amount,
        CAST(0 AS DECIMAL(38, 18)) AS total_amount,
        sum(CASE WHEN documents.reversed_usage_key IS NULL THEN used.net_amount ELSE -used.net_amount END) AS usage_amount
    FROM cost.usage_groups AS used
    INNER JOIN documents ON documents.provider = 'microsoft' AND used.invoice_number = documents.invoice_number
    INNER JOIN versions
        ON
            versions.kind = 'daily_usage'
            AND versions.is_current
            AND versions.number_key = coalesce(documents.reversed_usage_key, documents.number_key)
    WHERE used.billing_month = $billing_month AND used.currency = $currency
    GROUP BY documents.number_key, documents.reversed_usage_key, versions.version_number, id_key(used.customer_id)
),

own AS (
    SELECT
        documents.provider,
        documents.invoice_number,
        FALSE AS is_derived,
        sums.* EXCLUDE (provider, number_key),
        versions.known_at,
        versions.effective_at,
        versions.superseded_at,
        versions.is_current,
        versions.source_files
    FROM documents
    INNER JOIN sums ON documents.provider = sums.provider AND documents.number_key = sums.number_key
    INNER JOIN versions
        ON
            sums.provider = versions.provider
            AND sums.kind = versions.kind
            AND sums.number_key = versions.number_key
            AND sums.version_number = versions.version_number
),

-- until the void note has a file of its own, of lines and of usage each
ends AS (
    SELECT
        provider,
        number_key,
        kind = 'daily_usage' AS is_usage,
        min(effective_at) AS ended_at
    FROM versions
    WHERE kind <> 'invoice_headers'
    GROUP BY ALL
),

derived AS (
    SELECT
        documents.provider,
        documents.invoice_number,
        TRUE AS is_derived,
        sums.kind,
        dense_rank() OVER (
            PARTITION BY documents.provider, documents.invoice_number, sums.kind ORDER BY sums.version_number
        ) AS version_number,
        sums.customer_id,
        sums.customer_name,
        sums.line_count,
        -sums.subtotal_amount AS subtotal_amount,
        -sums.tax_amount AS tax_amount,
        -sums.total_amount AS total_amount,
        -sums.usage_amount AS usage_amount,
        greatest(versions.known_at, header.known_at) AS known_at,
        greatest(versions.effective_at, header.effective_at) AS effective_at,
        least(versions.superseded_at, ends.ended_at) AS superseded_at,
        versions.is_current
        AND CASE WHEN sums.kind = 'daily_usage' THEN documents.reversed_usage_key ELSE documents.reversed_key END IS NOT NULL AS is_current,
        versions.source_files
    FROM documents
    INNER JOIN versions AS header
        ON
            documents.provider = header.provider
            AND documents.number_key = header.number_key
            AND header.kind = 'invoice_headers'
            AND header.version_number = 1
    INNER JOIN sums ON documents.provider = sums.provider AND documents.voided_key = sums.number_key
    INNER JOIN versions
        ON
            sums.provider = versions.provider
            AND sums.kind = versions.kind
            AND sums.number_key = versions.number_key
            AND sums.version_number = versions.version_number
    LEFT JOIN ends
        ON
            documents.provider = ends.provider
            AND documents.number_key = ends.number_key
            AND ends.is_usage = (sums.kind = 'daily_usage')
    WHERE
        documents.voided_key <> documents.number_key
        AND greatest(versions.effective_at, header.effective_at)
        < coalesce(least(versions.superseded_at, ends.ended_at), TIMESTAMP '9999-12-31')
),

derived_counts AS (
    SELECT
        provider,
        invoice_number,
        kind,
        max(version_number) AS version_count
    FROM derived
    GROUP BY ALL
),

told_versions AS (
    SELECT *
    FROM derived
    UNION ALL BY NAME
    SELECT own.* REPLACE (own.version_number + coalesce(derived_counts.version_count, 0) AS version_number)
    FROM own
    LEFT JOIN derived_counts USING (provider, invoice_number, kind)
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    provider,
    invoice_number,
    kind AS source_kind,
    version_number,
    known_at,
    effective_at,
    superseded_at,
    is_current,
    is_derived,
    customer_id,
    customer_name,
    line_count,
    subtotal_amount,
    tax_amount,
    total_amount,
    usage_amount,
    source_files
FROM told_versions
