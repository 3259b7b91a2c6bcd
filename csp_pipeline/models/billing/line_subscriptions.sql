-- Whose quantity a contract line charges: the subscription it names and those that took its place by a link that is followed and that no
-- contract line names, else every subscription of its tenant (or of its account's tenants) with its product and SKU on the days
-- on which no contract line names it, each by one contract line at a time.
-- A reseller's account has the tenants without account whose billed lines name it.
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

-- Without a day of its own a link holds from the successor's first change or charge.
first_seen AS (
    SELECT
        subscription_id,
        min(seen_on) AS seen_on
    FROM (
        SELECT
            id_key(subscription_id) AS subscription_id,
            cast(changed_at AS DATE) AS seen_on
        FROM partner_center.subscription_changes
        UNION ALL
        SELECT
            id_key(subscription_id) AS subscription_id,
            charge_start_on AS seen_on
        FROM cost.invoice_lines
        WHERE NOT is_estimate
    )
    GROUP BY subscription_id
),

links AS (
    SELECT
        id_key(link.from_subscription_id) AS from_key,
        id_key(link.to_subscription_id) AS to_key,
        min(coalesce(link.valid_from, first_seen.seen_on)) AS valid_from
    FROM billing.subscription_links AS link
    LEFT JOIN first_seen ON first_seen.subscription_id = id_key(link.to_subscription_id)
    WHERE link.is_followed AND id_key(link.from_subscription_id) <> id_key(link.to_subscription_id)
    GROUP BY ALL
    HAVING min(coalesce(link.valid_from, first_seen.seen_on)) IS NOT NULL
),

successors AS (
    SELECT
        line.contract_line_id,
        link.to_key AS subscription_id,
        link.valid_from
    FROM lines AS line
    INNER JOIN links AS link ON line.subscription_id = link.from_key
    UNION
    SELECT
        successor.contract_line_id,
        link.to_key AS subscription_id,
        greatest(successor.valid_from, link.valid_from) AS valid_from
    FROM successors AS successor
    INNER JOIN links AS link ON successor.subscription_id = link.from_key
),

succeeding AS (
    SELECT
        successor.contract_line_id,
        known.customer_id,
        known.subscription_id,
        min(successor.valid_from) AS from_on
    FROM successors AS successor
    INNER JOIN line_tenants AS tenant ON successor.contract_line_id = tenant.contract_line_id
    INNER JOIN known ON tenant.customer_id = known.customer_id AND successor.subscription_id = known.subscription_id
    ANTI JOIN lines AS naming ON successor.subscription_id = naming.subscription_id
    GROUP BY ALL
),

by_product AS (
    SELECT DISTINCT
        line.contract_line_id,
        line.starts_on,
        line.ends_on,
        line.sku_id IS NOT NULL AS has_sku,
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
        greatest(line.starts_on, succeeding.from_on) AS starts_on,
        line.ends_on
    FROM succeeding
    INNER JOIN lines AS line ON succeeding.contract_line_id = line.contract_line_id AND NOT line.is_own
),

-- One contract line charges a subscription on a day: one that names it, else the one with the SKU, then the first by id.
taken AS (
    SELECT
        found.contract_line_id,
        found.customer_id,
        found.subscription_id,
        found.starts_on AS line_starts_on,
        found.ends_on AS line_ends_on,
        claimed.starts_on,
        claimed.ends_on
    FROM by_product AS found
    INNER JOIN claimed ON found.customer_id = claimed.customer_id AND found.subscription_id = claimed.subscription_id
    UNION ALL
    SELECT
        found.contract_line_id,
        found.customer_id,
        found.subscription_id,
        found.starts_on AS line_starts_on,
        found.ends_on AS line_ends_on,
        better.starts_on,
        better.ends_on
    FROM by_product AS found
    INNER JOIN by_product AS better
        ON
            found.customer_id = better.customer_id
            AND found.subscription_id = better.subscription_id
            AND (NOT found.has_sku, found.contract_line_id) > (NOT better.has_sku, better.contract_line_id)
),

-- The days between those taken: before each stretch that is taken, and after the last of them.
taken_in_order AS (
    SELECT
        *,
        max(ends_on) OVER (
            PARTITION BY contract_line_id, customer_id, subscription_id
            ORDER BY starts_on, ends_on
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS taken_until_on
    FROM taken
    WHERE starts_on <= line_ends_on AND ends_on >= line_starts_on
),

left_over AS (
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        cast(taken_until_on + 1 AS DATE) AS from_on,
        starts_on AS until_on
    FROM taken_in_order
    WHERE starts_on > coalesce(cast(taken_until_on + 1 AS DATE), line_starts_on)
    UNION ALL
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        cast(max(ends_on) + 1 AS DATE) AS from_on,
        cast(NULL AS DATE) AS until_on
    FROM taken_in_order
    GROUP BY contract_line_id, customer_id, subscription_id, line_ends_on
    HAVING max(ends_on) < line_ends_on
),

-- A line whose subscription others charge on all its days is known to have none of its seats: from_on and until_on are one day.
cut AS (
    SELECT
        found.contract_line_id,
        found.customer_id,
        found.subscription_id,
        cast(NULL AS DATE) AS from_on,
        cast(NULL AS DATE) AS until_on
    FROM by_product AS found
    ANTI JOIN taken_in_order AS other
        ON
            found.contract_line_id = other.contract_line_id
            AND found.customer_id = other.customer_id
            AND found.subscription_id = other.subscription_id
    UNION ALL
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        from_on,
        until_on
    FROM left_over
    UNION ALL
    SELECT
        found.contract_line_id,
        found.customer_id,
        found.subscription_id,
        found.starts_on AS from_on,
        found.starts_on AS until_on
    FROM by_product AS found
    SEMI JOIN taken_in_order AS other
        ON
            found.contract_line_id = other.contract_line_id
            AND found.customer_id = other.customer_id
            AND found.subscription_id = other.subscription_id
    ANTI JOIN left_over
        ON
            found.contract_line_id = left_over.contract_line_id
            AND found.customer_id = left_over.customer_id
            AND found.subscription_id = left_over.subscription_id
),

told AS (
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        cast(NULL AS DATE) AS from_on,
        cast(NULL AS DATE) AS until_on
    FROM named
    UNION ALL
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        from_on,
        cast(NULL AS DATE) AS until_on
    FROM succeeding
    UNION ALL
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        from_on,
        until_on
    FROM cut
),

-- A subscription counts until one that took its place is charged: a successor that no contract line takes (in another tenant, say)
-- leaves the former as it was, so that nothing goes unbilled before somebody has decided.
replaced AS (
    SELECT
        link.from_key AS subscription_id,
        min(link.valid_from) AS until_on
    FROM links AS link
    SEMI JOIN told ON link.to_key = told.subscription_id
    GROUP BY link.from_key
)

SELECT
    told.contract_line_id,
    told.customer_id,
    told.subscription_id,
    told.from_on,
    CASE
        WHEN least(told.until_on, replaced.until_on) < told.from_on THEN told.from_on ELSE least(told.until_on, replaced.until_on)
    END AS until_on
FROM told
LEFT JOIN replaced ON told.subscription_id = replaced.subscription_id
