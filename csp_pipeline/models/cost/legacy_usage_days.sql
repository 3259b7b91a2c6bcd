-- What was consumed of legacy Azure each day, without money. The portal's file and the API both tell it: of a document whose
-- file holds days, the file's days count, else those of the API. The tenant is that of the charge the day belongs to.
WITH documents AS (
    SELECT
        invoice_number,
        upper(CASE WHEN are_lines_derived THEN reverses_invoice_number ELSE invoice_number END) AS lines_of,
        CAST(CASE WHEN are_lines_derived THEN -1 ELSE 1 END AS DECIMAL(1, 0)) AS direction
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency AND provider = 'microsoft'
),

told AS (
    SELECT
        *,
        TRUE AS is_of_file
    FROM staged_legacy_usage
    WHERE line_item_type = 'usage_line_items'
    UNION ALL BY NAME
    SELECT
        *,
        FALSE AS is_of_file
    FROM staged_legacy_daily_usage
),

tenants AS (
    SELECT
        invoice_number,
        id_key(subscription_id) AS subscription,
        min(customer_id) AS customer_id
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND source_kind = 'legacy_usage'
    GROUP BY ALL
)

SELECT
    told.usage_date AS usage_on,
    $billing_month AS billing_month,
    documents.invoice_number,
    coalesce(tenants.customer_id, told.customer_id) AS customer_id,
    told.customer_name,
    told.domain_name AS customer_domain_name,
    told.subscription_id,
    told.resource_guid AS meter_id,
    coalesce(nullif(told.service_name, ''), told.metered_service) AS meter_category,
    coalesce(nullif(told.service_type, ''), told.metered_service_type) AS meter_sub_category,
    told.resource_name AS meter_name,
    coalesce(nullif(told.region, ''), told.metered_region) AS meter_region,
    documents.direction * told.consumed_quantity AS quantity,
    told.unit AS unit_type,
    told.project,
    told.reseller_mpn_id,
    $currency AS currency,
    told.source_file,
    told.source_row
FROM told
INNER JOIN documents ON documents.lines_of = upper(told.invoice_number)
LEFT JOIN tenants
    ON documents.invoice_number = tenants.invoice_number AND tenants.subscription = id_key(told.subscription_id)
QUALIFY told.is_of_file OR NOT bool_or(told.is_of_file) OVER (PARTITION BY documents.invoice_number)
