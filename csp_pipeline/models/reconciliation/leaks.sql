-- Money that leaks, one row per kind and subscription or contract line, ranked by what it costs a month, in the last month
-- reconciled.
WITH as_of AS (
    SELECT
        max(billing_month) AS service_month,
        last_day(CAST(max(billing_month) || '-01' AS DATE)) AS as_of_on
    FROM billing.drafted_months
),

rows_ AS (
    SELECT
        row_.*,
        terms.ends_on,
        terms.pricing_model,
        contract.cost_source,
        subscription.status AS subscription_status
    FROM reconciliation.revenue_vs_cost AS row_
    INNER JOIN as_of ON row_.service_month = as_of.service_month
    LEFT JOIN billing.contract_terms AS terms ON row_.contract_line_id = terms.contract_line_id
    LEFT JOIN reference.contract_lines AS contract ON row_.contract_line_id = contract.contract_line_id
    LEFT JOIN partner_center.subscriptions AS subscription
        ON
            id_key(row_.customer_id) = id_key(subscription.customer_id)
            AND id_key(row_.subscription_id) = id_key(subscription.subscription_id)
    WHERE coalesce(contract.cost_source, 'provider') NOT IN ('own', 'none')
),

parts AS (
    SELECT part.*
    FROM reconciliation.differences AS part
    INNER JOIN as_of ON part.service_month = as_of.service_month
    WHERE part.resolution IS DISTINCT FROM 'accepted'
),

waiting AS (
    SELECT DISTINCT
        contract_line_id,
        currency
    FROM parts
    WHERE cause IN ('period', 'timing', 'price_version', 'replaced_subscription', 'contract_expired') AND contract_line_id IS NOT NULL
),

-- Charged for nothing, or in the place of a successor: a subscription that is gone, not one that is suspended.
gone AS (
    SELECT DISTINCT contract_line_id
    FROM parts
    WHERE cause IN ('replaced_subscription', 'revenue_without_cost') AND contract_line_id IS NOT NULL
),

terms AS (
    SELECT
        *,
        CASE upper(trim(term_duration)) WHEN 'P1Y' THEN 12 WHEN 'P3Y' THEN 36 ELSE 1 END AS term_months,
        CASE lower(trim(billing_plan)) WHEN 'annual' THEN 12 WHEN 'triennial' THEN 36 ELSE 1 END AS plan_months
    FROM cost.price_sheet_prices
    WHERE unit_price IS NOT NULL
),

-- The sheet's price is that of a term; it is brought to the cycle that the provider bills.
prices AS (
    SELECT
        subscription.customer_id,
        subscription.subscription_id,
        subscription.product_id,
        subscription.product_name,
        subscription.commitment_ends_on,
        line.line_id,
        line.unit_price AS price_now,
        from_units10(
            divide_half_away(
                units18(sheet.unit_price) * least(sheet.plan_months, sheet.term_months),
                sheet.term_months * CAST(100000000 AS HUGEINT)
            )
        ) AS price_then,
        line.pricing_currency AS currency,
        subscription.quantity,
        least(sheet.plan_months, sheet.term_months) AS months
    FROM partner_center.subscriptions AS subscription
    CROSS JOIN as_of
    INNER JOIN cost.invoice_lines AS line
        ON
            id_key(subscription.customer_id) = id_key(line.customer_id)
            AND id_key(subscription.subscription_id) = id_key(line.subscription_id)
            AND NOT line.is_estimate
            AND line.unit_price IS NOT NULL
            AND line.subtotal_amount > 0
    INNER JOIN cost.price_comparison AS compared
        ON
            line.billing_month = compared.billing_month
            AND id_key(line.product_id) = id_key(compared.product_id)
            AND id_key(line.sku_id) = id_key(compared.sku_id)
            AND line.unit_price = compared.unit_price
            AND line.pricing_currency = compared.pricing_currency
            AND line.customer_country = compared.market
    INNER JOIN terms AS sheet
        ON
            compared.market = sheet.market
            AND compared.pricing_currency = sheet.currency
            AND id_key(compared.product_id) = id_key(sheet.product_id)
            AND id_key(compared.sku_id) = id_key(sheet.sku_id)
            AND compared.term_duration = sheet.term_duration
            AND compared.billing_plan = sheet.billing_plan
            AND coalesce(sheet.tier_from_quantity, 0) <= 1
            AND subscription.commitment_ends_on + 1 >= sheet.effective_from_on
            AND subscription.commitment_ends_on + 1 <= coalesce(sheet.effective_until_on, DATE '9999-12-31')
    WHERE
        subscription.auto_renew IS NOT FALSE
        AND subscription.commitment_ends_on BETWEEN as_of.as_of_on AND as_of.as_of_on + 60
    QUALIFY
        row_number() OVER (
            PARTITION BY subscription.customer_id, subscription.subscription_id
            ORDER BY line.charge_start_on DESC, line.line_id, sheet.last_seen_on DESC, sheet.unit_price
        ) = 1
),

found AS (
    SELECT
        CASE part.cause WHEN 'unmapped_customer' THEN 'unbilled_cost' ELSE part.cause END AS kind,
        part.account_id,
        part.customer_id,
        part.subscription_id,
        part.contract_line_id,
        abs(part.amount) AS monthly_amount,
        part.currency,
        part.evidence,
        part.explanation AS finding,
        CASE part.cause
            WHEN 'unmapped_customer' THEN 'add the tenant to account_tenants'
            WHEN 'unbilled_cost' THEN 'add a contract line that sells it, or cancel it at the provider'
            WHEN 'revenue_without_cost' THEN 'check whether the service still exists; end the contract line or link its successor'
            ELSE 'renew the contract line, or cancel the service at the provider'
        END AS what_to_do
    FROM parts AS part
    WHERE part.cause IN ('unmapped_customer', 'unbilled_cost', 'revenue_without_cost', 'contract_expired') AND part.amount <> 0
    UNION ALL
    SELECT
        'contract_expired' AS kind,
        row_.account_id,
        row_.customer_id,
        row_.subscription_id,
        row_.contract_line_id,
        row_.cost_amount AS monthly_amount,
        row_.currency,
        '[{"table": "reference.contract_lines", "key": "' || row_.contract_line_id || '"}]' AS evidence,
        'The fixed fee ended on ' || row_.ends_on || ', and the provider still charges the service.' AS finding,
        'renew the contract line, or cancel the service at the provider' AS what_to_do
    FROM rows_ AS row_
    INNER JOIN as_of ON row_.service_month = as_of.service_month
    WHERE
        row_.pricing_model = 'flat'
        AND row_.ends_on < CAST(as_of.service_month || '-01' AS DATE)
        AND row_.cost_amount > 0
        AND row_.revenue_amount = 0
    UNION ALL
    SELECT
        CASE WHEN row_.revenue_amount = 0 THEN 'free_contract' ELSE 'negative_margin' END AS kind,
        row_.account_id,
        row_.customer_id,
        row_.subscription_id,
        row_.contract_line_id,
        row_.cost_amount - row_.revenue_amount AS monthly_amount,
        row_.currency,
        '[{"table": "reference.contract_lines", "key": "' || row_.contract_line_id || '"}]' AS evidence,
        CASE
            WHEN row_.revenue_amount = 0 THEN 'The contract line is free of charge, and the provider charges the service.'
            ELSE 'The provider charges more than we do, at the prices agreed.'
        END AS finding,
        CASE
            WHEN row_.revenue_amount = 0 THEN 'end the trial or the free contract line, or cancel the service'
            ELSE 'raise the price or the markup, or move the customer to a cheaper term'
        END AS what_to_do
    FROM rows_ AS row_
    ANTI JOIN waiting ON row_.contract_line_id = waiting.contract_line_id AND row_.currency = waiting.currency
    INNER JOIN as_of ON row_.service_month = as_of.service_month
    WHERE
        row_.contract_line_id IS NOT NULL
        AND row_.cost_amount > row_.revenue_amount
        AND row_.revenue_amount >= 0
        AND coalesce(row_.difference_amount, 0) >= 0
        AND (row_.ends_on IS NULL OR row_.ends_on >= CAST(as_of.service_month || '-01' AS DATE))
    UNION ALL
    SELECT
        'suspended_but_billed' AS kind,
        row_.account_id,
        row_.customer_id,
        row_.subscription_id,
        row_.contract_line_id,
        greatest(coalesce(row_.cost_amount, 0), row_.revenue_amount) AS monthly_amount,
        row_.currency,
        '[{"table": "partner_center.subscriptions", "key": "' || row_.subscription_id || '"}]' AS evidence,
        'The subscription is ' || row_.subscription_status || ' and is charged all the same.' AS finding,
        'lift the suspension, or cancel the subscription and end its contract line' AS what_to_do
    FROM rows_ AS row_
    ANTI JOIN gone ON row_.contract_line_id = gone.contract_line_id
    WHERE
        lower(row_.subscription_status) IN ('suspended', 'disabled', 'deleted', 'expired')
        AND greatest(coalesce(row_.cost_amount, 0), row_.revenue_amount) > 0
        AND greatest(coalesce(row_.provider_quantity, 0), coalesce(row_.billed_quantity, 0)) > 0
    UNION ALL
    SELECT
        'renewal_price_change' AS kind,
        tenant.account_id,
        price.customer_id,
        price.subscription_id,
        NULL AS contract_line_id,
        from_units10(
            divide_half_away(
                abs(units10(price.price_then) - units10(price.price_now)) * units10(price.quantity),
                price.months * CAST(10000000000 AS HUGEINT)
            )
        ) AS monthly_amount,
        price.currency,
        '[{"table": "cost.invoice_lines", "key": "' || price.line_id || '"}]' AS evidence,
        'The term renews after ' || price.commitment_ends_on || ' at ' || trim_number(price.price_then) || ' ' || price.currency
        || ' instead of ' || trim_number(price.price_now) || ' a unit.' AS finding,
        'agree on the new price with the customer before the renewal, or turn the renewal off' AS what_to_do
    FROM prices AS price
    LEFT JOIN reference.account_tenants AS tenant ON id_key(price.customer_id) = id_key(tenant.customer_id)
    WHERE price.price_then <> price.price_now AND coalesce(price.quantity, 0) > 0
    UNION ALL
    SELECT
        'forgone_credit' AS kind,
        max(tenant.account_id) AS account_id,
        lost.customer_id,
        lost.entitlement_id AS subscription_id,
        NULL AS contract_line_id,
        sum(lost.monthly_amount) AS monthly_amount,
        lost.currency,
        '[{"table": "cost.lost_credit", "key": "' || lost.entitlement_id || '"}]' AS evidence,
        count(*) || CASE count(*) WHEN 1 THEN ' resource earns' ELSE ' resources earn' END || ' no partner earned credit since '
        || min(lost.first_forgone_on) || '.' AS finding,
        'have the customer give the partner an eligible role on the Azure subscription' AS what_to_do
    FROM cost.lost_credit AS lost
    LEFT JOIN reference.account_tenants AS tenant ON id_key(lost.customer_id) = id_key(tenant.customer_id)
    WHERE lost.credit_state <> 'regained'
    GROUP BY lost.customer_id, lost.entitlement_id, lost.currency
)

SELECT
    row_number() OVER (PARTITION BY found.currency ORDER BY sum(found.monthly_amount) DESC, found.kind, found.subscription_id) AS rank,
    found.kind,
    max(found.account_id) AS account_id,
    found.customer_id,
    max(customer.name) AS customer_name,
    found.subscription_id,
    found.contract_line_id,
    CAST(sum(found.monthly_amount) AS DECIMAL(38, 10)) AS monthly_amount,
    found.currency,
    max(found.evidence) AS evidence,
    max(found.finding) AS finding,
    max(found.what_to_do) AS what_to_do
FROM found
LEFT JOIN partner_center.customers AS customer ON id_key(found.customer_id) = id_key(customer.customer_id)
GROUP BY found.kind, found.customer_id, found.subscription_id, found.contract_line_id, found.currency
HAVING sum(found.monthly_amount) > 0
