-- Every line of the partition's documents, and of its open month as estimates, as sent, with its identity, its family, its signed
-- quantity and its credit percentage. A derived document has the lines of the one it reverses, with the opposite sign.
WITH documents AS (
    SELECT
        invoice_number,
        upper(CASE WHEN are_lines_derived THEN reverses_invoice_number ELSE invoice_number END) AS lines_of,
        CAST(CASE WHEN are_lines_derived THEN -1 ELSE 1 END AS DECIMAL(1, 0)) AS direction
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency AND provider = 'microsoft'
),

used AS (
    SELECT DISTINCT
        TRUE AS is_used,
        invoice_number,
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        id_key(product_id) AS product,
        id_key(sku_id) AS sku
    FROM (
        SELECT DISTINCT
            invoice_number,
            customer_id,
            subscription_id,
            product_id,
            sku_id
        FROM cost.daily_usage
        WHERE billing_month = $billing_month AND currency = $currency
    ) AS keys_as_sent
),

sent AS (
    SELECT
        documents.invoice_number AS document_number,
        documents.direction,
        FALSE AS is_estimate,
        line.*
    FROM staged_reconciliation AS line
    INNER JOIN documents ON documents.lines_of = upper(line.invoice_number)
    UNION ALL BY NAME
    SELECT
        CAST(NULL AS VARCHAR) AS document_number,
        CAST(1 AS DECIMAL(1, 0)) AS direction,
        TRUE AS is_estimate,
        * EXCLUDE (billing_month)
    FROM staged_open_reconciliation
    WHERE billing_month = $billing_month AND currency = $currency
),

staged AS (
    SELECT
        *,
        sha256(concat_ws(
            chr(31),
            coalesce(partner_id, ''), coalesce(customer_id, ''), coalesce(customer_name, ''), coalesce(customer_domain_name, ''),
            coalesce(customer_country, ''), coalesce(upper(document_number), upper(invoice_number), ''), coalesce(mpn_id, ''),
            coalesce(reseller_mpn_id, ''),
            coalesce(order_id, ''), coalesce(CAST(order_date AS VARCHAR), ''), coalesce(product_id, ''), coalesce(sku_id, ''),
            coalesce(availability_id, ''), coalesce(sku_name, ''), coalesce(product_name, ''), lower(coalesce(charge_type, '')),
            coalesce(CAST(unit_price AS VARCHAR), ''), coalesce(CAST(quantity AS VARCHAR), ''),
            coalesce(CAST(subtotal AS VARCHAR), ''), coalesce(CAST(tax_total AS VARCHAR), ''), coalesce(CAST(total AS VARCHAR), ''),
            coalesce(currency, ''), coalesce(price_adjustment_description, ''), coalesce(publisher_name, ''),
            coalesce(publisher_id, ''), coalesce(subscription_description, ''), coalesce(subscription_id, ''),
            coalesce(CAST(charge_start_date AS VARCHAR), ''), coalesce(CAST(charge_end_date AS VARCHAR), ''),
            coalesce(term_and_billing_cycle, ''), coalesce(CAST(effective_unit_price AS VARCHAR), ''), coalesce(unit_type, ''),
            coalesce(alternate_id, ''), coalesce(CAST(billable_quantity AS VARCHAR), ''), coalesce(billing_frequency, ''),
            coalesce(pricing_currency, ''), coalesce(CAST(pc_to_bc_exchange_rate AS VARCHAR), ''),
            coalesce(CAST(pc_to_bc_exchange_rate_date AS VARCHAR), ''), coalesce(meter_description, ''),
            coalesce(reservation_order_id, ''), coalesce(credit_reason_code, ''),
            coalesce(CAST(subscription_start_date AS VARCHAR), ''), coalesce(CAST(subscription_end_date AS VARCHAR), ''),
            coalesce(reference_id, ''), coalesce(product_qualifiers, ''), coalesce(promotion_id, ''), coalesce(product_category, '')
        )) AS content,
        lower(coalesce(charge_type, '')) = 'customercredit' OR coalesce(trim(credit_reason_code), '') <> '' AS is_credit,
        coalesce(billable_quantity, quantity) AS quantity_sent,
        CASE
            WHEN json_valid(price_adjustment_description) AND starts_with(trim(price_adjustment_description), '[')
                THEN json_extract_string(price_adjustment_description, '$[*]')
            ELSE string_split_regex(coalesce(price_adjustment_description, ''), '["'']\s*,\s*["'']|,\s+|;')
        END AS adjustments
    FROM sent
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY content ORDER BY source_file, file_sha256, source_row) AS ordinal,
        replace(
            regexp_extract(
                list_filter(
                    adjustments,
                    LAMBDA entry: contains(lower(entry), 'earned credit') AND regexp_matches(entry, '[0-9]\s*%')
                )[1],
                '([0-9]+(?:[.,][0-9]+)?)\s*%',
                1
            ),
            ',',
            '.'
        ) AS pec_text
    FROM staged
)

SELECT
    left(sha256(line.content || ':' || line.ordinal), 32) AS line_id,
    'microsoft' AS provider,
    line.document_number AS invoice_number,
    $billing_month AS billing_month,
    line.is_estimate,
    line.customer_id,
    line.customer_name,
    line.subscription_id,
    line.product_id,
    line.sku_id,
    line.product_name,
    family_of(
        used.is_used IS NOT NULL,
        line.product_id,
        line.product_name,
        line.sku_name,
        line.reservation_order_id,
        line.publisher_name,
        concat_ws(' ', line.product_category, line.term_and_billing_cycle)
    ) AS product_family,
    line.publisher_name,
    line.charge_type,
    line.charge_start_date AS charge_start_on,
    stated_end(line.charge_end_date) AS charge_end_on,
    line.order_id,
    line.order_date AS order_on,
    line.term_and_billing_cycle,
    line.subscription_start_date AS subscription_starts_on,
    line.subscription_end_date AS subscription_ends_on,
    line.meter_description,
    line.reservation_order_id,
    line.credit_reason_code,
    line.price_adjustment_description AS price_adjustment,
    line.reference_id,
    line.promotion_id,
    line.mpn_id,
    line.reseller_mpn_id,
    line.unit_price,
    line.effective_unit_price,
    line.direction * signed_quantity(line.quantity_sent, line.subtotal, line.effective_unit_price) AS billable_quantity,
    line.direction * line.subtotal AS subtotal_amount,
    line.direction * line.tax_total AS tax_amount,
    line.direction * coalesce(line.total, line.subtotal + coalesce(line.tax_total, 0)) AS total_amount,
    $currency AS currency,
    line.pricing_currency,
    line.pc_to_bc_exchange_rate AS fx_rate,
    CASE WHEN year(line.pc_to_bc_exchange_rate_date) > 1 THEN line.pc_to_bc_exchange_rate_date END AS fx_rate_on,
    CAST(coalesce(nullif(line.pec_text, ''), '0') AS DECIMAL(18, 4)) AS pec_percent,
    $billing_month AS posting_month,
    line.source_file,
    line.source_row,
    used.is_used IS NOT NULL AND NOT line.is_credit AS is_in_daily_usage,
    line.sku_name,
    line.billing_frequency,
    line.product_qualifiers,
    line.product_category,
    line.unit_type,
    line.direction * line.quantity_sent AS billable_quantity_sent,
    line.customer_country,
    line.customer_domain_name,
    line.partner_id,
    line.file_sha256,
    'reconciliation' AS source_kind,
    line.direction < 0 AS is_derived
FROM numbered AS line
LEFT JOIN used
    ON
        used.invoice_number IS NOT DISTINCT FROM line.document_number
        AND used.customer IS NOT DISTINCT FROM id_key(line.customer_id)
        AND used.subscription IS NOT DISTINCT FROM id_key(line.subscription_id)
        AND used.product IS NOT DISTINCT FROM id_key(line.product_id)
        AND used.sku IS NOT DISTINCT FROM id_key(line.sku_id)
