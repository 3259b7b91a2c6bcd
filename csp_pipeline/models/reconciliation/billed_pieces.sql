-- Every billed provider amount with the contract line that takes it: lines, or for the Azure plan the parts carried down to
-- Azure subscriptions.
SELECT
    matched.account_id,
    matched.contract_line_id,
    line.line_id,
    matched.entitlement_id,
    line.customer_id,
    line.subscription_id,
    line.product_id,
    line.sku_id,
    line.product_name,
    line.product_family,
    line.product_family IN ('azure_plan', 'azure_legacy') OR line.is_in_daily_usage AS is_consumption,
    lower(coalesce(line.charge_type, '')) = 'customercredit' OR coalesce(line.credit_reason_code, '') <> '' AS is_credit,
    lower(coalesce(line.charge_type, '')) AS charge_type,
    service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS start_on,
    service_ends_on(line.charge_start_on, line.charge_end_on, line.order_on, line.billing_month) AS end_on,
    coalesce(part.billed_amount, line.subtotal_amount) AS amount,
    line.currency,
    line.billing_month,
    line.invoice_number,
    line.billable_quantity AS quantity,
    line.unit_price,
    line.fx_rate,
    line.billing_frequency,
    line.subscription_starts_on,
    coalesce(line.provider, 'microsoft') AS provider
FROM billing.cost_matches AS matched
INNER JOIN cost.invoice_lines AS line ON matched.line_id = line.line_id AND NOT line.is_estimate
LEFT JOIN cost.line_allocations AS part
    ON
        line.product_family = 'azure_plan'
        AND matched.line_id = part.line_id
        AND part.entitlement_id IS NOT DISTINCT FROM matched.entitlement_id
