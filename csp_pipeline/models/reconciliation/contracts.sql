-- Contract lines that are charged, as reconciliation needs them.
SELECT
    terms.contract_line_id,
    terms.account_id,
    terms.customer_id,
    terms.subscription_id,
    line.product_id,
    line.sku_id,
    line.description,
    terms.pricing_model,
    coalesce(terms.unit_price, 0) AS unit_price,
    terms.currency,
    coalesce(terms.markup_percent, 0) AS markup_percent,
    coalesce(terms.discount_percent, 0) AS discount_percent,
    terms.months_per_cycle,
    terms.is_prorated,
    terms.starts_on,
    terms.ends_on,
    coalesce(line.cost_source, 'provider') AS cost_source,
    terms.cost_basis,
    line.unit_cost,
    terms.discount_ends_on,
    terms.charges_start_on,
    terms.is_one_time
FROM billing.contract_terms AS terms
INNER JOIN reference.contract_lines AS line ON terms.contract_line_id = line.contract_line_id
