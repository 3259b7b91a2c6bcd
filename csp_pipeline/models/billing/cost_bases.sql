-- What each cost-plus contract line takes, by service month: each piece is spread over the days of its
-- service period in units of 1E-10, what lies below a unit goes to the first day. What is not billed yet counts from its open month
-- on: the part of an earlier month comes with the bill, so that no estimate stands on a month that is closed.
WITH parts AS (
    SELECT
        line_id,
        entitlement_id,
        sum(billed_amount) AS billed_amount
    FROM cost.line_allocations
    GROUP BY ALL
),

pieces AS (
    SELECT
        matched.contract_line_id,
        terms.cost_basis,
        line.billing_month,
        line.currency,
        FALSE AS is_estimate,
        id_key(line.customer_id) AS customer_key,
        id_key(line.subscription_id) AS subscription_key,
        id_key(line.product_id) AS product_key,
        id_key(line.sku_id) AS sku_key,
        id_key(matched.entitlement_id) AS entitlement_key,
        coalesce(part.billed_amount, line.subtotal_amount) AS amount,
        service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS start_on,
        service_ends_on(line.charge_start_on, line.charge_end_on, line.order_on, line.billing_month) AS end_on,
        cast(0 AS DECIMAL(38, 10)) AS pec_amount
    FROM billing.cost_matches AS matched
    INNER JOIN billing.contract_terms AS terms
        ON matched.contract_line_id = terms.contract_line_id AND terms.pricing_model = 'cost_plus'
    INNER JOIN cost.invoice_lines AS line ON matched.line_id = line.line_id AND NOT line.is_estimate
    LEFT JOIN parts AS part ON matched.line_id = part.line_id AND part.entitlement_id IS NOT DISTINCT FROM matched.entitlement_id
    WHERE NOT matched.is_estimate
    UNION ALL
    SELECT
        matched.contract_line_id,
        terms.cost_basis,
        line.billing_month,
        line.currency,
        TRUE AS is_estimate,
        id_key(line.customer_id) AS customer_key,
        id_key(line.subscription_id) AS subscription_key,
        id_key(line.product_id) AS product_key,
        id_key(line.sku_id) AS sku_key,
        id_key(line.entitlement_id) AS entitlement_key,
        line.net_amount AS amount,
        line.service_start_on AS start_on,
        line.service_end_on AS end_on,
        line.pec_amount
    FROM billing.cost_matches AS matched
    INNER JOIN billing.contract_terms AS terms
        ON matched.contract_line_id = terms.contract_line_id AND terms.pricing_model = 'cost_plus'
    INNER JOIN cost.open_costs AS line ON matched.line_id = line.line_id
    WHERE matched.is_estimate
),

months AS (
    SELECT
        *,
        end_on - start_on + 1 AS days,
        sign(amount) * (abs(units18(amount)) // 100000000) AS units,
        unnest(generate_series(date_trunc('month', start_on), cast(end_on AS TIMESTAMP), INTERVAL 1 MONTH)) AS month_start
    FROM pieces
),

recognised AS (
    SELECT
        *,
        strftime(month_start, '%Y-%m') AS service_month,
        least(greatest(cast(month_start AS DATE) - start_on, 0), days) AS days_before,
        least(cast(month_start + INTERVAL 1 MONTH AS DATE) - start_on, days) AS days_until
    FROM months
),

net AS (
    SELECT
        contract_line_id,
        service_month,
        currency AS cost_currency,
        cost_basis,
        cast(
            from_units10(first_days_units(units, days, days_until) - first_days_units(units, days, days_before)) AS DECIMAL(38, 18)
        )
        + CASE WHEN days_before = 0 THEN cast(amount AS DECIMAL(38, 18)) - cast(from_units10(units) AS DECIMAL(38, 18)) ELSE 0 END
            AS net_amount,
        cast(0 AS DECIMAL(38, 18)) AS pec_amount,
        is_estimate
    FROM recognised
    WHERE NOT is_estimate OR strftime(month_start, '%Y-%m') >= billing_month
),

-- Earned credit belongs to the month of its usage days, and to whom the billed cost of the same scope went.
scopes AS (
    SELECT
        billing_month,
        currency,
        customer_key,
        subscription_key,
        product_key,
        sku_key,
        entitlement_key,
        arg_max(contract_line_id, (abs(amount), contract_line_id)) AS contract_line_id
    FROM pieces
    WHERE cost_basis = 'gross' AND NOT is_estimate
    GROUP BY ALL
),

used AS (
    SELECT
        billing_month,
        currency,
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        entitlement_id,
        strftime(usage_on, '%Y-%m') AS service_month,
        sum(pec_amount) AS pec_amount
    FROM cost.daily_usage
    WHERE pec_amount <> 0 AND NOT is_estimate AND EXISTS (SELECT 1 FROM scopes)
    GROUP BY ALL
),

credit AS (
    SELECT
        scope.contract_line_id,
        used.service_month,
        scope.currency AS cost_currency,
        'gross' AS cost_basis,
        cast(0 AS DECIMAL(38, 18)) AS net_amount,
        cast(used.pec_amount AS DECIMAL(38, 18)) AS pec_amount,
        FALSE AS is_estimate
    FROM scopes AS scope
    INNER JOIN used
        ON
            scope.billing_month = used.billing_month
            AND scope.currency = used.currency
            AND id_key(used.customer_id) IS NOT DISTINCT FROM scope.customer_key
            AND id_key(used.subscription_id) IS NOT DISTINCT FROM scope.subscription_key
            AND id_key(used.product_id) IS NOT DISTINCT FROM scope.product_key
            AND id_key(used.sku_id) IS NOT DISTINCT FROM scope.sku_key
            AND id_key(used.entitlement_id) IS NOT DISTINCT FROM scope.entitlement_key
    UNION ALL
    SELECT
        contract_line_id,
        billing_month AS service_month,
        currency AS cost_currency,
        cost_basis,
        cast(0 AS DECIMAL(38, 18)) AS net_amount,
        cast(pec_amount AS DECIMAL(38, 18)) AS pec_amount,
        TRUE AS is_estimate
    FROM pieces
    WHERE cost_basis = 'gross' AND is_estimate AND pec_amount <> 0
)

SELECT
    contract_line_id,
    service_month,
    cost_currency,
    cast(sum(net_amount) AS DECIMAL(38, 18)) AS net_amount,
    cast(sum(pec_amount) AS DECIMAL(38, 18)) AS pec_amount,
    cast(sum(net_amount) + CASE WHEN cost_basis = 'gross' THEN sum(pec_amount) ELSE 0 END AS DECIMAL(38, 18)) AS base_amount,
    bool_or(is_estimate) AS is_estimate
FROM (
    SELECT * FROM net
    UNION ALL BY NAME
    SELECT * FROM credit
) AS parts_of_base
GROUP BY contract_line_id, service_month, cost_currency, cost_basis
