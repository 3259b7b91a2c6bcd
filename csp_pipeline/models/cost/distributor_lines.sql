-- Lines of the partition's distributor invoices, under their own provider. A customer whom the distributor names by domain,
-- subscription or name alone is given its tenant where one is known by it, and one only; else the name stands for it.
WITH documents AS (
    SELECT
        provider,
        invoice_number
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency AND provider <> 'microsoft'
),

tenants AS (
    SELECT
        'subscription' AS told_by,
        id_key(subscription_id) AS told_key,
        min(customer_id) AS customer_id
    FROM staged_subscriptions
    WHERE id_key(subscription_id) IS NOT NULL AND customer_id IS NOT NULL
    GROUP BY told_key
    HAVING count(DISTINCT id_key(customer_id)) = 1
    UNION ALL
    SELECT
        'domain' AS told_by,
        id_key(domain) AS told_key,
        min(customer_id) AS customer_id
    FROM staged_customers
    WHERE id_key(domain) IS NOT NULL
    GROUP BY told_key
    HAVING count(DISTINCT id_key(customer_id)) = 1
    UNION ALL
    SELECT
        'name' AS told_by,
        id_key(name) AS told_key,
        min(customer_id) AS customer_id
    FROM staged_customers
    WHERE id_key(name) IS NOT NULL
    GROUP BY told_key
    HAVING count(DISTINCT id_key(customer_id)) = 1
),

staged AS (
    SELECT
        documents.invoice_number AS document_number,
        line.*,
        sha256(concat_ws(
            chr(31),
            line.provider, upper(documents.invoice_number), coalesce(customer_id, ''), coalesce(customer_name, ''),
            coalesce(customer_domain_name, ''), coalesce(reseller_mpn_id, ''), coalesce(order_id, ''),
            coalesce(CAST(order_date AS VARCHAR), ''), coalesce(subscription_id, ''), coalesce(product_id, ''), coalesce(sku_id, ''),
            coalesce(product_name, ''), coalesce(vendor_name, ''), lower(coalesce(charge_type, '')),
            coalesce(CAST(charge_start_date AS VARCHAR), ''), coalesce(CAST(charge_end_date AS VARCHAR), ''),
            coalesce(CAST(quantity AS VARCHAR), ''), coalesce(CAST(list_price AS VARCHAR), ''),
            coalesce(CAST(unit_price AS VARCHAR), ''), coalesce(CAST(extended_price AS VARCHAR), ''),
            coalesce(CAST(tax_amount AS VARCHAR), ''), coalesce(CAST(total_amount AS VARCHAR), ''), coalesce(line.currency, '')
        )) AS content
    FROM staged_distributor_invoice AS line
    INNER JOIN documents
        ON line.provider = documents.provider AND upper(documents.invoice_number) = upper(line.invoice_number)
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY content ORDER BY source_file, file_sha256, source_row) AS ordinal
    FROM staged
)

SELECT
    left(sha256(line.content || ':' || line.ordinal), 32) AS line_id,
    line.provider,
    line.document_number AS invoice_number,
    $billing_month AS billing_month,
    FALSE AS is_estimate,
    coalesce(
        line.customer_id, by_subscription.customer_id, by_domain.customer_id, by_name.customer_id, line.customer_name
    ) AS customer_id,
    line.customer_name,
    line.subscription_id,
    coalesce(line.product_id, line.sku_id) AS product_id,
    CASE WHEN line.product_id IS NOT NULL THEN line.sku_id END AS sku_id,
    line.product_name,
    family_of(
        FALSE,
        line.product_id,
        line.product_name,
        NULL,
        NULL,
        line.vendor_name,
        concat_ws(' ', line.product_name, line.term_and_billing_cycle)
    ) AS product_family,
    line.vendor_name AS publisher_name,
    line.charge_type,
    line.charge_start_date AS charge_start_on,
    stated_end(line.charge_end_date) AS charge_end_on,
    line.order_id,
    line.order_date AS order_on,
    line.term_and_billing_cycle,
    coalesce(
        line.billing_frequency,
        CASE date_sub('month', line.charge_start_date, line.charge_end_date + 1)
            WHEN 1 THEN CASE WHEN line.charge_start_date + INTERVAL 1 MONTH = line.charge_end_date + 1 THEN 'Monthly' END
            WHEN 12 THEN CASE WHEN line.charge_start_date + INTERVAL 12 MONTH = line.charge_end_date + 1 THEN 'Annual' END
        END
    ) AS billing_frequency,
    line.reseller_mpn_id,
    line.unit_price,
    signed_quantity(line.quantity, line.extended_price, line.unit_price) AS billable_quantity,
    line.quantity AS billable_quantity_sent,
    line.extended_price AS subtotal_amount,
    line.tax_amount,
    line.total_amount,
    $currency AS currency,
    $currency AS pricing_currency,
    CAST(1 AS DECIMAL(38, 18)) AS fx_rate,
    CAST(0 AS DECIMAL(18, 4)) AS pec_percent,
    $billing_month AS posting_month,
    line.source_file,
    line.source_row,
    FALSE AS is_in_daily_usage,
    line.customer_country,
    line.customer_domain_name,
    line.file_sha256,
    'distributor_invoice' AS source_kind,
    FALSE AS is_derived,
    CAST(from_units18(product_units18(units18(line.quantity), units18(line.list_price))) AS DECIMAL(38, 18)) AS list_amount
FROM numbered AS line
LEFT JOIN tenants AS by_subscription
    ON by_subscription.told_by = 'subscription' AND by_subscription.told_key = id_key(line.subscription_id)
LEFT JOIN tenants AS by_domain ON by_domain.told_by = 'domain' AND by_domain.told_key = id_key(line.customer_domain_name)
LEFT JOIN tenants AS by_name ON by_name.told_by = 'name' AND by_name.told_key = id_key(line.customer_name)
