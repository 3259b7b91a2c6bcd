-- Every usage row of the partition's documents, and of its open month as estimates, with the earned credit per row.
-- Amounts received are kept as sent; the integer arithmetic has a short path (64 bits) for the ten decimals that Microsoft sends,
-- and an exact one for the rest. A void note without a file of usage has that of the document it reverses, with the opposite sign.
WITH documents AS (
    SELECT
        invoice_number,
        CASE WHEN is_usage_derived THEN reverses_invoice_number END AS usage_of
    FROM cost.invoices
    WHERE billing_month = $billing_month AND currency = $currency AND provider = 'microsoft'
),

sent AS (
    SELECT
        usage.* EXCLUDE (invoice_number),
        documents.invoice_number,
        FALSE AS is_estimate
    FROM staged_daily_usage AS usage
    INNER JOIN documents ON upper(documents.invoice_number) = upper(usage.invoice_number)
    UNION ALL BY NAME
    SELECT
        usage.* EXCLUDE (invoice_number) REPLACE (
            -usage.quantity AS quantity,
            -usage.billing_pre_tax_total AS billing_pre_tax_total,
            -usage.pricing_pre_tax_total AS pricing_pre_tax_total
        ),
        documents.invoice_number,
        FALSE AS is_estimate
    FROM staged_daily_usage AS usage
    INNER JOIN documents ON upper(documents.usage_of) = upper(usage.invoice_number)
    UNION ALL BY NAME
    SELECT
        * EXCLUDE (invoice_number, billing_month),
        TRUE AS is_estimate
    FROM staged_open_daily_usage
    WHERE billing_month = $billing_month AND billing_currency = $currency
),

staged AS (
    SELECT
        *,
        CAST(billing_pre_tax_total AS VARCHAR) AS net_digits,
        CASE
            WHEN partner_earned_credit_percentage = 15 THEN CAST(15 AS DECIMAL(18, 4))
            WHEN coalesce(partner_earned_credit_percentage, 0) = 0 THEN CAST(0 AS DECIMAL(18, 4))
            ELSE CAST(partner_earned_credit_percentage AS DECIMAL(18, 4))
        END AS pec_percent,
        billing_pre_tax_total > 0
        AND lower(trim(publisher_name)) LIKE 'microsoft%'
        AND coalesce(lower(replace(benefit_type, ' ', '')), '') <> 'savingsplan'
        AND coalesce(lower(trim(credit_type)), '') <> 'azure credit applied'
        AND NOT regexp_matches(coalesce(meter_name, ''), '(?i)\bspot\b')
        AND NOT (
            contains(coalesce(additional_info, ''), 'eservation')
            AND regexp_matches(additional_info, '(?i)"reservation(order)?id"+\s*:\s*("+\s*[^"\s,}]|-?\d)')
        ) AS is_pec_eligible,
        CASE
            WHEN lower(replace(benefit_type, ' ', '')) = 'savingsplan' THEN nullif(trim(benefit_order_id), '')
            WHEN contains(coalesce(additional_info, ''), 'eservation')
                THEN nullif(nullif(regexp_extract(additional_info, '(?i)"reservationorderid"+\s*:\s*"*\s*([^"\s,}]+)', 1), ''), 'null')
        END AS named_benefit_order_id
    FROM sent
),

measured AS (
    SELECT
        *,
        short_units10(net_digits) AS net_units10
    FROM staged
),

credited AS (
    SELECT
        *,
        CASE
            WHEN pec_percent = 0 THEN CAST(0 AS HUGEINT)
            WHEN pec_percent = 15 AND net_units10 IS NOT NULL THEN CAST(short_credit_units10(net_units10, 150000) AS HUGEINT)
            ELSE credit_units10(billing_pre_tax_total, CAST(pec_percent * 10000 AS BIGINT))
        END AS pec_units10
    FROM measured
)

SELECT
    coalesce(usage_date, charge_start_date) AS usage_on,
    $billing_month AS billing_month,
    is_estimate,
    invoice_number,
    customer_id,
    subscription_id,
    entitlement_id,
    resource_group,
    resource_uri AS resource_id,
    meter_id,
    meter_category,
    meter_name,
    quantity,
    unit_price,
    effective_unit_price,
    billing_pre_tax_total AS net_amount,
    $currency AS currency,
    pricing_pre_tax_total AS pricing_amount,
    pricing_currency,
    pc_to_bc_exchange_rate AS fx_rate,
    pec_percent,
    credit_type,
    publisher_name,
    tags,
    source_file,
    source_row,
    product_id,
    sku_id,
    product_name,
    meter_sub_category,
    meter_region,
    from_units10(pec_units10) AS pec_amount,
    from_units10(
        CASE
            WHEN net_units10 IS NOT NULL THEN net_units10 + pec_units10
            ELSE divide_half_away(units18(billing_pre_tax_total) + pec_units10 * 100000000, CAST(100000000 AS HUGEINT))
        END
    ) AS gross_amount,
    named_benefit_order_id AS benefit_order_id,
    coalesce(is_pec_eligible, FALSE) AS is_pec_eligible,
    from_units10(
        CASE
            WHEN NOT coalesce(is_pec_eligible, FALSE) OR pec_percent <> 0 THEN CAST(0 AS HUGEINT)
            WHEN net_units10 IS NOT NULL THEN CAST(divide_half_away(net_units10 * 3, 20) AS HUGEINT)
            ELSE divide_half_away(units18(billing_pre_tax_total) * 15, CAST(10000000000 AS HUGEINT))
        END
    ) AS pec_forgone_amount
FROM credited
