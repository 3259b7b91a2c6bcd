-- Charges of legacy Azure (MS-AZR-0145P) of the partition's D documents as sent; the consumption of each day carries no money
-- and is in cost.legacy_usage_days. The portal's file names a customer by a number of its own: the tenant is found by the Azure
-- subscription, else by the domain; what the file calls it is no part of the line's identity, so that a line is the same one
-- from the portal and from the API.
WITH documents AS (
    SELECT
        invoice_number,
        upper(CASE WHEN are_lines_derived THEN reverses_invoice_number ELSE invoice_number END) AS lines_of,
        CAST(CASE WHEN are_lines_derived THEN -1 ELSE 1 END AS DECIMAL(1, 0)) AS direction
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency AND provider = 'microsoft'
),

tenants_by_subscription AS (
    SELECT
        id_key(subscription_id) AS subscription,
        min(customer_id) AS customer_id
    FROM staged_subscriptions
    WHERE id_key(subscription_id) IS NOT NULL AND customer_id IS NOT NULL
    GROUP BY subscription
    HAVING count(DISTINCT id_key(customer_id)) = 1
),

tenants_by_domain AS (
    SELECT
        id_key(domain) AS domain_key,
        min(customer_id) AS customer_id
    FROM (
        SELECT
            domain,
            customer_id
        FROM staged_customers
        UNION ALL
        SELECT
            domain_name AS domain,
            customer_id
        FROM staged_legacy_licence
    ) AS told
    WHERE id_key(domain) IS NOT NULL AND customer_id IS NOT NULL
    GROUP BY domain_key
    HAVING count(DISTINCT id_key(customer_id)) = 1
),

staged AS (
    SELECT
        documents.invoice_number AS document_number,
        documents.direction,
        line.*,
        sha256(concat_ws(
            chr(31),
            'legacy_usage', upper(documents.invoice_number), coalesce(partner_id, ''), coalesce(partner_billable_account_id, ''),
            coalesce(customer_name, ''), coalesce(domain_name, ''), coalesce(mpn_id, ''),
            coalesce(reseller_mpn_id, ''), coalesce(subscription_id, ''), coalesce(subscription_description, ''),
            coalesce(order_id, ''), coalesce(CAST(charge_start_date AS VARCHAR), ''),
            coalesce(CAST(charge_end_date AS VARCHAR), ''), lower(coalesce(charge_type, '')), coalesce(service_name, ''),
            coalesce(service_type, ''), coalesce(resource_guid, ''), coalesce(resource_name, ''), coalesce(region, ''),
            coalesce(sku, ''), coalesce(CAST(detail_line_item_id AS VARCHAR), ''), coalesce(unit, ''),
            coalesce(CAST(consumed_quantity AS VARCHAR), ''), coalesce(CAST(included_quantity AS VARCHAR), ''),
            coalesce(CAST(overage_quantity AS VARCHAR), ''), coalesce(CAST(list_price AS VARCHAR), ''),
            coalesce(CAST(consumption_discount AS VARCHAR), ''), coalesce(CAST(pretax_charges AS VARCHAR), ''),
            coalesce(CAST(tax_amount AS VARCHAR), ''), coalesce(CAST(post_tax_total AS VARCHAR), ''), coalesce(line.currency, '')
        )) AS content
    FROM staged_legacy_usage AS line
    INNER JOIN documents ON documents.lines_of = upper(line.invoice_number)
    WHERE line.line_item_type = 'billing_line_items'
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY content ORDER BY source_file, file_sha256, source_row) AS ordinal,
        coalesce(pretax_charges, 0) AS subtotal,
        coalesce(overage_quantity, consumed_quantity - coalesce(included_quantity, 0)) AS charged_quantity,
        CASE WHEN regexp_full_match(id_key(customer_id), '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}') THEN customer_id END AS tenant_sent
    FROM staged
)

SELECT
    left(sha256(line.content || ':' || line.ordinal), 32) AS line_id,
    'microsoft' AS provider,
    line.document_number AS invoice_number,
    $billing_month AS billing_month,
    FALSE AS is_estimate,
    coalesce(line.tenant_sent, by_subscription.customer_id, by_domain.customer_id, line.customer_id) AS customer_id,
    line.customer_name,
    line.subscription_id,
    'MS-AZR-0145P' AS product_id,
    line.sku AS sku_id,
    coalesce(line.subscription_description, line.subscription_name) AS product_name,
    'azure_legacy' AS product_family,
    line.charge_type,
    line.charge_start_date AS charge_start_on,
    stated_end(line.charge_end_date) AS charge_end_on,
    line.order_id,
    line.billing_cycle_type AS term_and_billing_cycle,
    line.billing_cycle_type AS billing_frequency,
    concat_ws(
        ' - ', nullif(line.service_name, ''), nullif(line.service_type, ''), nullif(line.resource_name, ''), nullif(line.region, '')
    ) AS meter_description,
    line.mpn_id,
    line.reseller_mpn_id,
    line.list_price AS unit_price,
    line.pretax_effective_rate AS effective_unit_price,
    line.direction * signed_quantity(line.charged_quantity, line.subtotal, line.list_price) AS billable_quantity,
    line.direction * line.charged_quantity AS billable_quantity_sent,
    line.unit AS unit_type,
    line.direction * line.subtotal AS subtotal_amount,
    line.direction * line.tax_amount AS tax_amount,
    line.direction * coalesce(line.post_tax_total, 0) AS total_amount,
    $currency AS currency,
    $currency AS pricing_currency,
    CAST(1 AS DECIMAL(38, 18)) AS fx_rate,
    CAST(0 AS DECIMAL(18, 4)) AS pec_percent,
    $billing_month AS posting_month,
    line.source_file,
    line.source_row,
    FALSE AS is_in_daily_usage,
    line.domain_name AS customer_domain_name,
    line.partner_id,
    line.file_sha256,
    'legacy_usage' AS source_kind,
    line.direction < 0 AS is_derived,
    line.direction * nullif(line.consumption_discount, 0) AS margin_amount
FROM numbered AS line
LEFT JOIN tenants_by_subscription AS by_subscription ON by_subscription.subscription = id_key(line.subscription_id)
LEFT JOIN tenants_by_domain AS by_domain ON by_domain.domain_key = id_key(line.domain_name)
