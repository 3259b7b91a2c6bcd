-- Which subscription took the place of which: as the terms say, as the provider's convert lines say (the line taken back and
-- the one charged instead carry one reference), and proposed where one follows the other. Only confirmed links and those the
-- provider's lines name are followed.
WITH stated AS (
    SELECT
        id_key(from_subscription_id) AS from_key,
        id_key(to_subscription_id) AS to_key,
        min(from_subscription_id) AS from_subscription_id,
        min(to_subscription_id) AS to_subscription_id,
        min(valid_from) AS valid_from,
        min(reason) AS reason,
        bool_or(confirmed) AS is_confirmed
    FROM reference.subscription_links
    WHERE id_key(from_subscription_id) <> id_key(to_subscription_id)
    GROUP BY ALL
),

seats AS (
    SELECT
        line_id,
        coalesce(provider, 'microsoft') AS provider,
        currency,
        id_key(customer_id) AS customer_key,
        id_key(subscription_id) AS subscription_key,
        customer_id,
        subscription_id,
        id_key(product_id) AS product_key,
        id_key(sku_id) AS sku_key,
        lower(trim(charge_type)) AS charge_type,
        nullif(lower(trim(reference_id)), '') AS reference_key,
        charge_start_on,
        greatest(charge_end_on, charge_start_on) AS charge_end_on,
        billable_quantity AS quantity
    FROM cost.invoice_lines
    WHERE
        NOT is_estimate
        AND subscription_id IS NOT NULL
        AND charge_start_on IS NOT NULL
        AND product_family NOT IN ('azure_plan', 'azure_legacy')
),

conversions AS (
    SELECT
        before.subscription_key AS from_key,
        after.subscription_key AS to_key,
        min(before.customer_id) AS customer_id,
        min(before.subscription_id) AS from_subscription_id,
        min(after.subscription_id) AS to_subscription_id,
        min(after.charge_start_on) AS valid_from,
        bool_or(before.reference_key = after.reference_key) AS is_named,
        list_sort(list_distinct(list(before.line_id) || list(after.line_id))) AS line_ids
    FROM seats AS before
    INNER JOIN seats AS after
        ON
            before.customer_key = after.customer_key
            AND before.subscription_key <> after.subscription_key
            AND before.charge_start_on = after.charge_start_on
            AND before.charge_type = 'convert'
            AND after.charge_type = 'convert'
            AND before.quantity < 0
            AND after.quantity > 0
            AND (before.reference_key = after.reference_key OR before.reference_key IS NULL OR after.reference_key IS NULL)
    GROUP BY ALL
),

spans AS (
    SELECT
        provider,
        currency,
        customer_key,
        subscription_key,
        product_key,
        sku_key,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(charge_start_on) AS first_on,
        max(charge_start_on) AS last_start_on,
        least(
            max(charge_end_on) FILTER (WHERE quantity > 0),
            coalesce(max(charge_start_on) FILTER (WHERE charge_type LIKE 'cancel%' AND quantity < 0) - 1, DATE '9999-12-31')
        ) AS last_on,
        arg_max(line_id, (charge_start_on, line_id)) AS last_line_id,
        arg_min(line_id, (charge_start_on, line_id)) AS first_line_id
    FROM seats
    GROUP BY provider, currency, customer_key, subscription_key, product_key, sku_key
),

named AS (
    SELECT DISTINCT id_key(subscription_id) AS subscription_key
    FROM reference.contract_lines
    WHERE subscription_id IS NOT NULL
),

-- An id is lost when a contract line names the former and none the latter: only then is a succession worth a proposal.
successions AS (
    SELECT
        before.subscription_key AS from_key,
        after.subscription_key AS to_key,
        before.customer_id,
        before.subscription_id AS from_subscription_id,
        after.subscription_id AS to_subscription_id,
        after.first_on AS valid_from,
        [before.last_line_id, after.first_line_id] AS line_ids
    FROM spans AS before
    INNER JOIN spans AS after
        ON
            before.customer_key = after.customer_key
            AND before.product_key = after.product_key
            AND before.sku_key IS NOT DISTINCT FROM after.sku_key
            AND before.subscription_key <> after.subscription_key
            AND before.first_on < after.first_on
            AND before.last_start_on <= after.first_on
            AND after.first_on BETWEEN before.last_on - 30 AND before.last_on + 30
    SEMI JOIN named AS former ON before.subscription_key = former.subscription_key
    ANTI JOIN named AS latter ON after.subscription_key = latter.subscription_key
    QUALIFY
        row_number() OVER (
            PARTITION BY after.subscription_key
            ORDER BY abs(date_diff('day', before.last_on, after.first_on)), before.subscription_key
        ) = 1
),

found AS (
    SELECT
        from_key,
        to_key,
        NULL AS customer_id,
        from_subscription_id,
        to_subscription_id,
        valid_from,
        reason,
        'terms' AS source,
        1 AS precedence,
        coalesce(is_confirmed, FALSE) AS is_confirmed,
        coalesce(is_confirmed, FALSE) AS is_followed,
        CAST([] AS VARCHAR[]) AS line_ids
    FROM stated
    UNION ALL
    SELECT
        from_key,
        to_key,
        customer_id,
        from_subscription_id,
        to_subscription_id,
        valid_from,
        'converted by the provider' AS reason,
        'convert_line' AS source,
        2 AS precedence,
        FALSE AS is_confirmed,
        coalesce(is_named, FALSE) AS is_followed,
        line_ids
    FROM conversions
    UNION ALL
    SELECT
        from_key,
        to_key,
        customer_id,
        from_subscription_id,
        to_subscription_id,
        valid_from,
        'the same product follows within 30 days' AS reason,
        'succession' AS source,
        3 AS precedence,
        FALSE AS is_confirmed,
        FALSE AS is_followed,
        line_ids
    FROM successions
)

SELECT
    from_key || '>' || to_key AS link_id,
    arg_min(from_subscription_id, precedence) AS from_subscription_id,
    arg_min(to_subscription_id, precedence) AS to_subscription_id,
    max(customer_id) AS customer_id,
    arg_min(valid_from, precedence) AS valid_from,
    arg_min(reason, precedence) AS reason,
    arg_min(source, precedence) AS source,
    bool_or(is_confirmed) AS is_confirmed,
    bool_or(is_followed) AS is_followed,
    coalesce(
        '[{"table": "cost.invoice_lines", "key": "'
        || nullif(
            array_to_string(
                list_sort(list_distinct(flatten(list(line_ids)))), '"}, {"table": "cost.invoice_lines", "key": "'
            ),
            ''
        )
        || '"}]',
        '[]'
    ) AS evidence
FROM found
GROUP BY from_key, to_key
