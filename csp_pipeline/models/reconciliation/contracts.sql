-- Contract lines as reconciliation needs them; a line without a customer takes its account's only tenant.
WITH only_tenants AS (
    SELECT account_id, min(customer_id) AS customer_id
    FROM reference.account_tenants
    GROUP BY account_id
    HAVING count(*) = 1
)

SELECT
    line.contract_line_id,
    line.account_id,
    coalesce(line.customer_id, tenant.customer_id) AS customer_id,
    line.subscription_id,
    line.product_id,
    line.sku_id,
    line.description,
    line.pricing_model,
    coalesce(line.unit_price, 0) AS unit_price,
    line.currency,
    coalesce(line.markup_percent, 0) AS markup_percent,
    coalesce(line.discount_percent, 0) AS discount_percent,
    coalesce(line.billing_cycle, 'monthly') AS billing_cycle,
    coalesce(line.proration, 'daily') AS proration,
    line.starts_on,
    line.ends_on,
    coalesce(line.cost_source, 'provider') AS cost_source,
    coalesce(line.cost_basis, 'net') AS cost_basis,
    line.unit_cost
FROM reference.contract_lines AS line
LEFT JOIN only_tenants AS tenant ON tenant.account_id = line.account_id
