-- Which contract line takes which cost. Contract lines are grouped by which keys they fill; a cost line is cut
-- to each such set of keys and joined on equality, so that the work grows with the lines and not with their product.
WITH terms AS (
    SELECT
        contract_line_id,
        account_id,
        starts_on,
        coalesce(ends_on, DATE '9999-12-31') AS ends_on,
        coalesce(id_key(customer_id), '') AS customer_key,
        coalesce(id_key(entitlement_id), '') AS entitlement_key,
        coalesce(id_key(subscription_id), '') AS subscription_key,
        coalesce(id_key(product_id), '') AS product_key,
        coalesce(CASE WHEN product_id IS NOT NULL THEN id_key(sku_id) END, '') AS sku_key
    FROM reference.contract_lines
    WHERE
        coalesce(cost_source, 'provider') NOT IN ('own', 'none')
        -- without any key only a cost-plus line can be meant for whatever else the account costs
        AND (
            pricing_model = 'cost_plus'
            OR coalesce(customer_id, entitlement_id, subscription_id, product_id, '') <> ''
        )
),

filled_keys AS (
    SELECT DISTINCT
        customer_key <> '' AS has_customer,
        entitlement_key <> '' AS has_entitlement,
        subscription_key <> '' AS has_subscription,
        product_key <> '' AS has_product,
        sku_key <> '' AS has_sku
    FROM terms
),

part AS (
    SELECT DISTINCT
        line_id,
        entitlement_id
    FROM cost.line_allocations
),

pieces AS (
    SELECT
        line.line_id,
        part.entitlement_id,
        id_key(line.customer_id) AS tenant_key,
        coalesce(id_key(line.customer_id), '') AS customer_key,
        coalesce(id_key(part.entitlement_id), '') AS entitlement_key,
        coalesce(id_key(line.subscription_id), '') AS subscription_key,
        coalesce(id_key(line.product_id), '') AS product_key,
        coalesce(id_key(line.sku_id), '') AS sku_key,
        service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS charge_start_on
    FROM cost.invoice_lines AS line
    LEFT JOIN part ON line.line_id = part.line_id
),

owned_pieces AS (
    SELECT
        piece.*,
        tenant.account_id
    FROM pieces AS piece
    LEFT JOIN reference.account_tenants AS tenant ON id_key(tenant.customer_id) = piece.tenant_key
),

cost_keys AS (
    SELECT DISTINCT
        account_id,
        customer_key,
        entitlement_key,
        subscription_key,
        product_key,
        sku_key,
        charge_start_on
    FROM owned_pieces
    WHERE account_id IS NOT NULL
),

candidates AS (
    SELECT
        cost.*,
        terms.contract_line_id,
        filled.has_entitlement,
        filled.has_subscription,
        filled.has_product,
        filled.has_sku,
        cost.charge_start_on BETWEEN terms.starts_on AND terms.ends_on AS is_active
    FROM cost_keys AS cost
    CROSS JOIN filled_keys AS filled
    INNER JOIN terms
        ON
            cost.account_id = terms.account_id
            AND terms.customer_key = CASE WHEN filled.has_customer THEN cost.customer_key ELSE '' END
            AND terms.entitlement_key = CASE WHEN filled.has_entitlement THEN cost.entitlement_key ELSE '' END
            AND terms.subscription_key = CASE WHEN filled.has_subscription THEN cost.subscription_key ELSE '' END
            AND terms.product_key = CASE WHEN filled.has_product THEN cost.product_key ELSE '' END
            AND terms.sku_key = CASE WHEN filled.has_sku THEN cost.sku_key ELSE '' END
    -- a key that is filled must not meet a cost line without that key, which would then stand for "not filled"
    WHERE
        (NOT filled.has_customer OR cost.customer_key <> '')
        AND (NOT filled.has_entitlement OR cost.entitlement_key <> '')
        AND (NOT filled.has_subscription OR cost.subscription_key <> '')
        AND (NOT filled.has_product OR cost.product_key <> '')
        AND (NOT filled.has_sku OR cost.sku_key <> '')
),

matches AS (
    SELECT *
    FROM candidates
    QUALIFY row_number() OVER (
        PARTITION BY account_id, customer_key, entitlement_key, subscription_key, product_key, sku_key, charge_start_on
        ORDER BY has_entitlement DESC, has_subscription DESC, has_sku DESC, has_product DESC, is_active DESC, contract_line_id ASC
    ) = 1
)

SELECT
    piece.line_id,
    piece.entitlement_id,
    match.contract_line_id,
    piece.account_id
FROM owned_pieces AS piece
LEFT JOIN matches AS match
    ON
        piece.account_id = match.account_id
        AND piece.customer_key = match.customer_key
        AND piece.entitlement_key = match.entitlement_key
        AND piece.subscription_key = match.subscription_key
        AND piece.product_key = match.product_key
        AND piece.sku_key = match.sku_key
        AND piece.charge_start_on = match.charge_start_on
