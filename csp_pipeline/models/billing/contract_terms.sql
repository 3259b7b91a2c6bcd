-- Contract lines that are charged, blank cells given their meaning: the first value the contract lists for a column.
WITH only_tenants AS (
    SELECT
        account_id,
        min(customer_id) AS customer_id
    FROM reference.account_tenants
    GROUP BY account_id
    HAVING count(*) = 1
),

subscription_names AS (
    SELECT
        id_key(subscription_id) AS subscription_key,
        min(product_name) AS product_name
    FROM partner_center.subscriptions
    GROUP BY ALL
),

product_names AS (
    SELECT
        id_key(product_id) AS product_key,
        min(product_name) AS product_name
    FROM cost.invoice_lines
    WHERE NOT is_estimate
    GROUP BY ALL
),

-- The components of a bundle share an anchor day; their latest price stands here, those before it in reference.bundle_prices.
components AS (
    SELECT
        contract_line_id,
        any_value(bundle_name) AS bundle_name,
        any_value(anchor_day) AS anchor_day,
        arg_max(unit_price, from_on) AS unit_price,
        nullif(array_to_string(list_sort(list(from_on))[2:], ','), '') AS price_changes_on
    FROM reference.bundle_prices
    GROUP BY contract_line_id
),

lines AS (
    SELECT
        *,
        starts_on = ends_on AND billing_cycle IS NULL AND pricing_model <> 'cost_plus' AS is_one_time,
        CASE
            WHEN quantity_source IS NOT NULL THEN quantity_source
            WHEN quantity IS NOT NULL THEN 'fixed'
            WHEN coalesce(cost_source, 'provider') IN ('own', 'none') AND subscription_id IS NULL THEN 'fixed'
            ELSE 'partner_center'
        END AS source_of_quantity
    FROM reference.contract_lines
    WHERE contract_line_id NOT IN (SELECT refused.contract_line_id FROM reference.refused_contract_lines AS refused)
)

SELECT
    line.contract_line_id,
    line.account_id,
    coalesce(line.customer_id, tenant.customer_id) AS customer_id,
    line.subscription_id,
    coalesce(component.bundle_name || ': ', '')
    || coalesce(
        line.description, by_subscription.product_name, by_product.product_name, line.product_id, line.contract_line_id
    ) AS name,
    CASE
        WHEN line.pricing_model NOT IN ('flat', 'cost_plus') AND line.source_of_quantity = 'partner_center' THEN 'seat' ELSE 'unit'
    END AS unit_name,
    line.pricing_model,
    CASE
        WHEN line.pricing_model IN ('per_unit', 'flat') THEN coalesce(component.unit_price, line.unit_price, 0)
        ELSE 0
    END AS unit_price,
    line.currency,
    coalesce(currency.decimals, 2) AS decimals,
    coalesce(line.markup_percent, 0) AS markup_percent,
    coalesce(line.cost_basis, 'net') AS cost_basis,
    coalesce(line.discount_percent, 0) AS discount_percent,
    line.discount_ends_on,
    line.source_of_quantity AS quantity_source,
    coalesce(line.quantity, 1) AS quantity,
    CASE coalesce(line.billing_cycle, 'monthly') WHEN 'monthly' THEN 1 WHEN 'quarterly' THEN 3 WHEN 'annual' THEN 12 END
        AS months_per_cycle,
    CASE WHEN line.pricing_model = 'cost_plus' THEN 'arrears' ELSE coalesce(line.billing_timing, 'advance') END AS billing_timing,
    coalesce(
        line.anchor_day, component.anchor_day, CASE WHEN line.pricing_model = 'cost_plus' THEN 1 ELSE day(line.starts_on) END
    ) AS anchor_day,
    coalesce(line.proration, 'daily') = 'daily' AS is_prorated,
    account.tax_rate_id,
    line.tax_category,
    line.starts_on,
    line.ends_on,
    -- a trial that outlasts the line leaves nothing to charge
    least(
        greatest(line.starts_on, coalesce(line.trial_ends_on + 1, line.starts_on)), coalesce(line.ends_on + 1, DATE '9999-12-31')
    ) AS charges_start_on,
    line.trial_ends_on,
    line.discount_amount,
    line.maximum_amount,
    line.minimum_amount,
    coalesce(line.is_one_time, FALSE) AS is_one_time,
    component.price_changes_on
FROM lines AS line
INNER JOIN reference.accounts AS account ON line.account_id = account.account_id
LEFT JOIN components AS component ON line.contract_line_id = component.contract_line_id
LEFT JOIN only_tenants AS tenant ON line.account_id = tenant.account_id
LEFT JOIN reference.currencies AS currency ON line.currency = currency.currency
LEFT JOIN subscription_names AS by_subscription ON by_subscription.subscription_key = id_key(line.subscription_id)
LEFT JOIN product_names AS by_product ON by_product.product_key = id_key(line.product_id)
