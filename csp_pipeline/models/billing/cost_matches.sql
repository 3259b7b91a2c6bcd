-- Which contract line takes which cost. Contract lines are grouped by which keys they fill; a cost line is cut
-- to each such set of keys and joined on equality, so that the work grows with the lines and not with their product.
-- A subscription that took the place of another is known under both ids: a contract line that still names the former takes its
-- cost when none names the latter.
WITH RECURSIVE terms AS (
    SELECT
        contract_line_id,
        account_id,
        starts_on,
        coalesce(ends_on, DATE '9999-12-31') AS ends_on,
        coalesce(cost_source, 'provider') = 'distributor' AS is_distributed,
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

-- What is not billed yet names no reseller: it is taken to be the one of the tenant's latest billed line.
last_reseller AS (
    SELECT
        id_key(customer_id) AS tenant_key,
        arg_max(trim(reseller_mpn_id), (billing_month, charge_start_on, line_id)) AS reseller_mpn_id
    FROM cost.invoice_lines
    WHERE NOT is_estimate AND coalesce(trim(reseller_mpn_id), '') <> ''
    GROUP BY id_key(customer_id)
),

pieces AS (
    SELECT
        line.line_id,
        part.entitlement_id,
        coalesce(line.provider, 'microsoft') <> 'microsoft' AS is_distributed,
        trim(line.reseller_mpn_id) AS reseller_mpn_id,
        id_key(line.customer_id) AS tenant_key,
        coalesce(id_key(line.customer_id), '') AS customer_key,
        -- of legacy Azure the subscription is itself the Azure subscription
        coalesce(id_key(CASE WHEN line.product_family = 'azure_legacy' THEN line.subscription_id ELSE part.entitlement_id END), '')
            AS entitlement_key,
        coalesce(id_key(line.subscription_id), '') AS subscription_key,
        coalesce(id_key(line.product_id), '') AS product_key,
        coalesce(id_key(line.sku_id), '') AS sku_key,
        service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS charge_start_on,
        FALSE AS is_estimate
    FROM cost.invoice_lines AS line
    LEFT JOIN part ON line.line_id = part.line_id
    WHERE NOT line.is_estimate
    UNION ALL
    SELECT
        open_cost.line_id,
        open_cost.entitlement_id,
        FALSE AS is_distributed,
        coalesce(trim(open_cost.reseller_mpn_id), last_reseller.reseller_mpn_id) AS reseller_mpn_id,
        id_key(open_cost.customer_id) AS tenant_key,
        coalesce(id_key(open_cost.customer_id), '') AS customer_key,
        coalesce(id_key(open_cost.entitlement_id), '') AS entitlement_key,
        coalesce(id_key(open_cost.subscription_id), '') AS subscription_key,
        coalesce(id_key(open_cost.product_id), '') AS product_key,
        coalesce(id_key(open_cost.sku_id), '') AS sku_key,
        open_cost.service_start_on AS charge_start_on,
        TRUE AS is_estimate
    FROM cost.open_costs AS open_cost
    LEFT JOIN last_reseller ON last_reseller.tenant_key = id_key(open_cost.customer_id)
),

owned_pieces AS (
    SELECT
        piece.*,
        coalesce(tenant.account_id, reseller.account_id) AS account_id
    FROM pieces AS piece
    LEFT JOIN reference.account_tenants AS tenant ON id_key(tenant.customer_id) = piece.tenant_key
    LEFT JOIN reference.account_resellers AS reseller
        ON trim(reseller.reseller_mpn_id) = piece.reseller_mpn_id AND piece.reseller_mpn_id NOT IN ('0', '-1')
),

cost_keys AS (
    SELECT DISTINCT
        account_id,
        is_distributed,
        customer_key,
        entitlement_key,
        subscription_key,
        product_key,
        sku_key,
        charge_start_on
    FROM owned_pieces
    WHERE account_id IS NOT NULL
),

-- The other ids a cost line is known under: those of the subscriptions it took the place of by a link that is followed, and for the
-- Azure plan the Azure subscription, which keeps its id when it moves from legacy Azure.
links AS (
    SELECT DISTINCT
        id_key(from_subscription_id) AS from_key,
        id_key(to_subscription_id) AS to_key,
        coalesce(valid_from, DATE '0001-01-01') AS valid_from
    FROM billing.subscription_links
    WHERE is_followed AND id_key(from_subscription_id) <> id_key(to_subscription_id)
),

former_ids AS (
    SELECT
        to_key AS subscription_key,
        from_key AS former_key,
        valid_from,
        1 AS steps
    FROM links
    UNION
    SELECT
        former.subscription_key,
        link.from_key AS former_key,
        former.valid_from,
        former.steps + 1 AS steps
    FROM former_ids AS former
    INNER JOIN links AS link ON former.former_key = link.to_key
    WHERE former.steps < 12
),

known_ids AS (
    SELECT
        cost.*,
        former.former_key AS known_as,
        former.steps
    FROM cost_keys AS cost
    INNER JOIN former_ids AS former
        ON
            former.subscription_key IN (cost.subscription_key, cost.entitlement_key)
            AND former.subscription_key <> ''
            AND cost.charge_start_on >= former.valid_from
    UNION
    SELECT
        *,
        entitlement_key AS known_as,
        1 AS steps
    FROM cost_keys
    WHERE entitlement_key NOT IN ('', subscription_key)
),

candidates AS (
    SELECT
        cost.*,
        terms.contract_line_id,
        filled.has_entitlement,
        filled.has_subscription,
        filled.has_product,
        filled.has_sku,
        cost.charge_start_on BETWEEN terms.starts_on AND terms.ends_on AS is_active,
        0 AS steps
    FROM cost_keys AS cost
    CROSS JOIN filled_keys AS filled
    INNER JOIN terms
        ON
            cost.account_id = terms.account_id
            AND cost.is_distributed = terms.is_distributed
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
    UNION ALL
    -- under a former id only by that id: what was bought under it had another product
    SELECT
        cost.* EXCLUDE (known_as, steps),
        terms.contract_line_id,
        terms.entitlement_key <> '' AS has_entitlement,
        TRUE AS has_subscription,
        terms.product_key <> '' AS has_product,
        terms.sku_key <> '' AS has_sku,
        cost.charge_start_on BETWEEN terms.starts_on AND terms.ends_on AS is_active,
        cost.steps
    FROM known_ids AS cost
    INNER JOIN terms
        ON
            cost.account_id = terms.account_id
            AND cost.is_distributed = terms.is_distributed
            AND cost.known_as = terms.subscription_key
            AND terms.customer_key IN ('', cost.customer_key)
            AND terms.entitlement_key IN ('', cost.entitlement_key)
),

matches AS (
    SELECT *
    FROM candidates
    QUALIFY row_number() OVER (
        PARTITION BY
            account_id, is_distributed, customer_key, entitlement_key, subscription_key, product_key, sku_key, charge_start_on
        ORDER BY
            has_entitlement DESC, has_subscription DESC, steps ASC, has_sku DESC, has_product DESC, is_active DESC,
            contract_line_id ASC
    ) = 1
)

SELECT
    piece.line_id,
    piece.entitlement_id,
    match.contract_line_id,
    piece.account_id,
    piece.is_estimate
FROM owned_pieces AS piece
LEFT JOIN matches AS match
    ON
        piece.account_id = match.account_id
        AND piece.is_distributed = match.is_distributed
        AND piece.customer_key = match.customer_key
        AND piece.entitlement_key = match.entitlement_key
        AND piece.subscription_key = match.subscription_key
        AND piece.product_key = match.product_key
        AND piece.sku_key = match.sku_key
        AND piece.charge_start_on = match.charge_start_on
