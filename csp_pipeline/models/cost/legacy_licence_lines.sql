-- Licence lines of the partition's D documents as sent: prices in the document's own currency, and the margin that stands on
-- the line (its discount) where new commerce has an earned credit.
WITH documents AS (
    SELECT
        invoice_number,
        upper(CASE WHEN are_lines_derived THEN reverses_invoice_number ELSE invoice_number END) AS lines_of,
        CAST(CASE WHEN are_lines_derived THEN -1 ELSE 1 END AS DECIMAL(1, 0)) AS direction
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency AND provider = 'microsoft'
),

staged AS (
    SELECT
        documents.invoice_number AS document_number,
        documents.direction,
        line.*,
        sha256(concat_ws(
            chr(31),
            'legacy_licence', upper(documents.invoice_number), coalesce(partner_id, ''), coalesce(customer_id, ''),
            coalesce(customer_name, ''), coalesce(mpn_id, ''), coalesce(reseller_mpn_id, ''), coalesce(order_id, ''),
            coalesce(subscription_id, ''), coalesce(syndication_partner_subscription_number, ''), coalesce(offer_id, ''),
            coalesce(durable_offer_id, ''), coalesce(offer_name, ''), coalesce(CAST(subscription_start_date AS VARCHAR), ''),
            coalesce(CAST(subscription_end_date AS VARCHAR), ''), coalesce(CAST(charge_start_date AS VARCHAR), ''),
            coalesce(CAST(charge_end_date AS VARCHAR), ''), lower(coalesce(charge_type, '')),
            coalesce(CAST(unit_price AS VARCHAR), ''), coalesce(CAST(quantity AS VARCHAR), ''),
            coalesce(CAST(amount AS VARCHAR), ''), coalesce(CAST(total_other_discount AS VARCHAR), ''),
            coalesce(CAST(subtotal AS VARCHAR), ''), coalesce(CAST(tax AS VARCHAR), ''),
            coalesce(CAST(total_for_customer AS VARCHAR), ''), coalesce(line.currency, ''), coalesce(domain_name, ''),
            coalesce(subscription_name, ''), coalesce(subscription_description, ''), coalesce(billing_cycle_type, '')
        )) AS content
    FROM staged_legacy_licence AS line
    INNER JOIN documents ON documents.lines_of = upper(line.invoice_number)
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY content ORDER BY source_file, file_sha256, source_row) AS ordinal
    FROM staged
)

SELECT
    left(sha256(content || ':' || ordinal), 32) AS line_id,
    'microsoft' AS provider,
    document_number AS invoice_number,
    $billing_month AS billing_month,
    FALSE AS is_estimate,
    customer_id,
    customer_name,
    coalesce(syndication_partner_subscription_number, subscription_id) AS subscription_id,
    durable_offer_id AS product_id,
    offer_name AS product_name,
    'licence' AS product_family,
    charge_type,
    charge_start_date AS charge_start_on,
    stated_end(charge_end_date) AS charge_end_on,
    order_id,
    billing_cycle_type AS term_and_billing_cycle,
    billing_cycle_type AS billing_frequency,
    subscription_start_date AS subscription_starts_on,
    subscription_end_date AS subscription_ends_on,
    mpn_id,
    reseller_mpn_id,
    unit_price,
    direction * signed_quantity(quantity, subtotal, unit_price) AS billable_quantity,
    direction * quantity AS billable_quantity_sent,
    direction * subtotal AS subtotal_amount,
    direction * tax AS tax_amount,
    direction * total_for_customer AS total_amount,
    $currency AS currency,
    $currency AS pricing_currency,
    CAST(1 AS DECIMAL(38, 18)) AS fx_rate,
    CAST(0 AS DECIMAL(18, 4)) AS pec_percent,
    $billing_month AS posting_month,
    source_file,
    source_row,
    FALSE AS is_in_daily_usage,
    domain_name AS customer_domain_name,
    partner_id,
    file_sha256,
    'legacy_licence' AS source_kind,
    direction < 0 AS is_derived,
    direction * amount AS list_amount,
    direction * total_other_discount AS margin_amount,
    margin_percent_of(total_other_discount, amount) AS margin_percent
FROM numbered
