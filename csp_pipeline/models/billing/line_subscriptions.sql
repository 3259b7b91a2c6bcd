-- Whose quantity a contract line charges: the subscription it names and those that took its place by a link that is followed and that no
-- contract line names, else every subscription of its tenant (or of its account's tenants) with its product and SKU that no
-- contract line of the same time names. A reseller's account has the tenants without account whose billed lines name it.
WITH RECURSIVE tenants AS (
    SELECT
        account_id,
        id_key(customer_id) AS customer_id
    FROM reference.account_tenants
    UNION
    SELECT
        reseller.account_id,
        id_key(line.customer_id) AS customer_id
    FROM cost.invoice_lines AS line
    INNER JOIN reference.account_resellers AS reseller
        ON trim(reseller.reseller_mpn_id) = trim(line.reseller_mpn_id) AND trim(line.reseller_mpn_id) NOT IN ('0', '-1')
    ANTI JOIN reference.account_tenants AS owned ON id_key(owned.customer_id) = id_key(line.customer_id)
    WHERE NOT line.is_estimate
),

lines AS (
    SELECT
        contract.contract_line_id,
        contract.account_id,
        id_key(contract.customer_id) AS customer_id,
        id_key(contract.subscription_id) AS subscription_id,
        id_key(contract.product_id) AS product_id,
        CASE WHEN contract.product_id IS NOT NULL THEN id_key(contract.sku_id) END AS sku_id,
        terms.starts_on,
        coalesce(terms.ends_on, DATE '9999-12-31') AS ends_on,
        coalesce(contract.cost_source, 'provider') IN ('own', 'none') AS is_own
    FROM billing.contract_terms AS terms
    INNER JOIN reference.contract_lines AS contract ON terms.contract_line_id = contract.contract_line_id
    WHERE terms.pricing_model NOT IN ('flat', 'cost_plus') AND terms.quantity_source = 'partner_center'
),

-- The tenants a line may look at: the one it names, else all of its account.
line_tenants AS (
    SELECT
        contract_line_id,
        customer_id
    FROM lines
    WHERE customer_id IS NOT NULL
    UNION
    SELECT
        line.contract_line_id,
        tenant.customer_id
    FROM lines AS line
    INNER JOIN tenants AS tenant ON line.account_id = tenant.account_id
    WHERE line.customer_id IS NULL
),

subscriptions AS (
    SELECT
        id_key(customer_id) AS customer_id,
        id_key(subscription_id) AS subscription_id,
        id_key(product_id) AS product_id,
        id_key(sku_id) AS sku_id
    FROM partner_center.subscriptions
    UNION
    SELECT
        id_key(customer_id) AS customer_id,
        id_key(subscription_id) AS subscription_id,
        id_key(product_id) AS product_id,
        id_key(sku_id) AS sku_id
    FROM cost.invoice_lines
    WHERE subscription_id IS NOT NULL AND product_family NOT IN ('azure_plan', 'azure_legacy') AND NOT is_estimate
),

known AS (
    SELECT DISTINCT
        customer_id,
        subscription_id
    FROM billing.quantity_history
),

named AS (
    SELECT
        line.contract_line_id,
        known.customer_id,
        known.subscription_id
    FROM lines AS line
    INNER JOIN line_tenants AS tenant ON line.contract_line_id = tenant.contract_line_id
    INNER JOIN known ON tenant.customer_id = known.customer_id AND line.subscription_id = known.subscription_id
    WHERE line.subscription_id IS NOT NULL
),

links AS (
    SELECT DISTINCT
        id_key(from_subscription_id) AS from_key,
        id_key(to_subscription_id) AS to_key
    FROM billing.subscription_links
    WHERE is_followed AND id_key(from_subscription_id) <> id_key(to_subscription_id)
),

successors AS (
    SELECT
        line.contract_line_id,
        link.to_key AS subscription_id
    FROM lines AS line
    INNER JOIN links AS link ON line.subscription_id = link.from_key
    UNION
    SELECT
        successor.contract_line_id,
        link.to_key AS subscription_id
    FROM successors AS successor
    INNER JOIN links AS link ON successor.subscription_id = link.from_key
),

succeeding AS (
    SELECT DISTINCT
        successor.contract_line_id,
        known.customer_id,
        known.subscription_id
    FROM successors AS successor
    INNER JOIN line_tenants AS tenant ON successor.contract_line_id = tenant.contract_line_id
    INNER JOIN known ON tenant.customer_id = known.customer_id AND successor.subscription_id = known.subscription_id
    ANTI JOIN lines AS naming ON successor.subscription_id = naming.subscription_id
),

by_product AS (
    SELECT DISTINCT
        line.contract_line_id,
        line.starts_on,
        line.ends_on,
        found.customer_id,
        found.subscription_id
    FROM lines AS line
    INNER JOIN line_tenants AS tenant ON line.contract_line_id = tenant.contract_line_id
    INNER JOIN subscriptions AS found
        ON
            tenant.customer_id = found.customer_id
            AND line.product_id = found.product_id
            AND (line.sku_id IS NULL OR line.sku_id = found.sku_id)
    INNER JOIN known ON found.customer_id = known.customer_id AND found.subscription_id = known.subscription_id
    WHERE line.subscription_id IS NULL
),

claimed AS (
    SELECT
        named.customer_id,
        named.subscription_id,
        line.starts_on,
        line.ends_on
    FROM named
    INNER JOIN lines AS line ON named.contract_line_id = line.contract_line_id AND NOT line.is_own
    UNION ALL
    SELECT
        succeeding.customer_id,
        succeeding.subscription_id,
        line.starts_on,
        line.ends_on
    FROM succeeding
    INNER JOIN lines AS line ON succeeding.contract_line_id = line.contract_line_id AND NOT line.is_own
)

SELECT
    contract_line_id,
    customer_id,
    subscription_id
FROM named
UNION ALL
SELECT
    contract_line_id,
    customer_id,
    subscription_id
FROM succeeding
UNION ALL
SELECT
    contract_line_id,
    customer_id,
    subscription_id
FROM by_product AS found
WHERE NOT EXISTS (
    SELECT 1
    FROM claimed
    WHERE
        claimed.customer_id = found.customer_id
        AND claimed.subscription_id = found.subscription_id
        AND claimed.starts_on <= found.ends_on
        AND found.starts_on <= claimed.ends_on
)
