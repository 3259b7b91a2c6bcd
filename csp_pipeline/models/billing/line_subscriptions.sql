-- Whose quantity a contract line charges: the subscription it names and those that took its place by a link that is followed, on the
-- days on which no contract line names them, else every subscription of its tenant (or of its account's tenants) with its product and
-- SKU on the days on which no contract line has it by name or link, each by one contract line at a time.
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

-- Through any number of links, each subscription once on the way.
ways AS (
    SELECT
        from_key,
        to_key,
        valid_from,
        [from_key, to_key] AS passed
    FROM links
    UNION
    SELECT
        way.from_key,
        link.to_key,
        greatest(way.valid_from, link.valid_from) AS valid_from,
        list_append(way.passed, link.to_key) AS passed
    FROM ways AS way
    INNER JOIN links AS link ON way.to_key = link.from_key
    WHERE NOT list_contains(way.passed, link.to_key)
),

replacements AS (
    SELECT
        from_key,
        to_key,
        min(valid_from) AS valid_from,
        min(len(passed)) AS steps
    FROM ways
    GROUP BY ALL
),

-- What a line may charge, from the day on which a link gives it (from_on), with its precedence on a day: by name, then in the place of
-- the nearest former subscription, then by product with the SKU, then without. Lines of equal precedence charge beside each other.
found AS (
    SELECT
        contract_line_id,
        subscription_id,
        cast(NULL AS DATE) AS from_on,
        (0, 0, '') AS precedence
    FROM lines
    WHERE subscription_id IS NOT NULL
    UNION ALL
    SELECT
        line.contract_line_id,
        replacement.to_key AS subscription_id,
        replacement.valid_from AS from_on,
        (1, replacement.steps, replacement.from_key) AS precedence
    FROM lines AS line
    INNER JOIN replacements AS replacement ON line.subscription_id = replacement.from_key
),

candidates AS (
    SELECT
        line.contract_line_id,
        line.is_own,
        known.customer_id,
        known.subscription_id,
        found.from_on,
        greatest(line.starts_on, coalesce(found.from_on, line.starts_on)) AS starts_on,
        line.ends_on,
        found.precedence
    FROM found
    INNER JOIN lines AS line ON found.contract_line_id = line.contract_line_id
    INNER JOIN line_tenants AS tenant ON found.contract_line_id = tenant.contract_line_id
    INNER JOIN known ON tenant.customer_id = known.customer_id AND found.subscription_id = known.subscription_id
    WHERE found.from_on IS NULL OR found.from_on <= line.ends_on
    UNION
    SELECT
        line.contract_line_id,
        line.is_own,
        known.customer_id,
        known.subscription_id,
        cast(NULL AS DATE) AS from_on,
        line.starts_on,
        line.ends_on,
        (2, CASE WHEN line.sku_id IS NULL THEN 1 ELSE 0 END, line.contract_line_id) AS precedence
    FROM lines AS line
    INNER JOIN line_tenants AS tenant ON line.contract_line_id = tenant.contract_line_id
    INNER JOIN subscriptions AS sold
        ON
            tenant.customer_id = sold.customer_id
            AND line.product_id = sold.product_id
            AND (line.sku_id IS NULL OR line.sku_id = sold.sku_id)
    INNER JOIN known ON sold.customer_id = known.customer_id AND sold.subscription_id = known.subscription_id
    WHERE line.subscription_id IS NULL
),

-- The days on which a line of higher precedence has the subscription, or any line one that took its place: a successor that no line
-- has (in another tenant, say) leaves the former as it was, so that nothing goes unbilled before somebody has decided. Own work takes
-- nothing from what is bought.
taken AS (
    SELECT
        mine.* EXCLUDE (starts_on, ends_on),
        mine.starts_on AS line_starts_on,
        mine.ends_on AS line_ends_on,
        other.starts_on,
        other.ends_on
    FROM candidates AS mine
    INNER JOIN candidates AS other
        ON
            mine.customer_id = other.customer_id
            AND mine.subscription_id = other.subscription_id
            AND mine.precedence > other.precedence
            AND (mine.is_own OR NOT other.is_own)
    UNION ALL
    SELECT
        mine.* EXCLUDE (starts_on, ends_on),
        mine.starts_on AS line_starts_on,
        mine.ends_on AS line_ends_on,
        greatest(other.starts_on, replacement.valid_from) AS starts_on,
        other.ends_on
    FROM candidates AS mine
    INNER JOIN replacements AS replacement ON mine.subscription_id = replacement.from_key
    INNER JOIN candidates AS other
        ON replacement.to_key = other.subscription_id AND (mine.is_own OR NOT other.is_own)
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
    WHERE starts_on <= ends_on AND starts_on <= line_ends_on AND ends_on >= line_starts_on
),

left_over AS (
    SELECT
        contract_line_id,
        customer_id,
        subscription_id,
        coalesce(cast(taken_until_on + 1 AS DATE), from_on) AS from_on,
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
)

SELECT
    whole.contract_line_id,
    whole.customer_id,
    whole.subscription_id,
    whole.from_on,
    cast(NULL AS DATE) AS until_on
FROM candidates AS whole
ANTI JOIN taken_in_order AS other
    ON
        whole.contract_line_id = other.contract_line_id
        AND whole.customer_id = other.customer_id
        AND whole.subscription_id = other.subscription_id
UNION ALL
SELECT
    contract_line_id,
    customer_id,
    subscription_id,
    from_on,
    until_on
FROM left_over
UNION
-- A line whose subscription others charge on all its days is known to have none of its seats: from_on and until_on are one day.
SELECT
    other.contract_line_id,
    other.customer_id,
    other.subscription_id,
    other.line_starts_on AS from_on,
    other.line_starts_on AS until_on
FROM taken_in_order AS other
ANTI JOIN left_over
    ON
        other.contract_line_id = left_over.contract_line_id
        AND other.customer_id = left_over.customer_id
        AND other.subscription_id = left_over.subscription_id
