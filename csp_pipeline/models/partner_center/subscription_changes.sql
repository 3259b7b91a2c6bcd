-- Changes of seats and of state from every source that tells of them. The same subscription, UTC day, quantity before and after
-- is one change, told by the change log first, then the activity log, then the provider's lines, then two snapshots that differ;
-- where the quantity stays, the state before and after tells changes apart. A change made again after it was undone is another one.
WITH inbox AS (
    SELECT
        change_id,
        customer_id,
        subscription_id,
        changed_at,
        event,
        quantity_before,
        quantity_after,
        NULL AS status_before,
        NULL AS status_after,
        'inbox' AS source,
        1 AS precedence,
        actor
    FROM staged_subscription_changes
),

operations AS (
    SELECT
        *,
        json_field(resource_new_value, 'lineItems') IS NOT NULL AS is_order
    FROM staged_audit_records
    WHERE
        lower(coalesce(operation_status, '')) = 'succeeded'
        AND lower(operation_type) IN (
            'update_subscription', 'create_order', 'update_order', 'upgrade_subscription', 'convert_trial_subscription'
        )
),

order_items AS (
    SELECT
        operations.*,
        CAST(unnest(json_extract(json_field(resource_new_value, 'lineItems'), '$[*]')) AS VARCHAR) AS item
    FROM operations
    WHERE is_order AND lower(operation_type) = 'create_order'
),

told AS (
    SELECT
        customer_id,
        coalesce(
            json_field(resource_new_value, 'subscriptionId'), json_field(resource_new_value, 'id'),
            json_field(resource_old_value, 'subscriptionId'), json_field(resource_old_value, 'id')
        ) AS subscription_id,
        operation_date,
        operation_type,
        coalesce(
            TRY_CAST(json_field(resource_old_value, 'quantity') AS DECIMAL(38, 18)),
            CASE WHEN lower(operation_type) = 'create_order' THEN 0 END
        ) AS quantity_before,
        TRY_CAST(json_field(resource_new_value, 'quantity') AS DECIMAL(38, 18)) AS quantity_after,
        lower(json_field(resource_old_value, 'status')) AS status_before,
        lower(json_field(resource_new_value, 'status')) AS status_after,
        coalesce(user_principal_name, application_id) AS actor
    FROM operations
    WHERE NOT is_order
    UNION ALL
    SELECT
        customer_id,
        json_field(item, 'subscriptionId') AS subscription_id,
        operation_date,
        operation_type,
        CAST(0 AS DECIMAL(38, 18)) AS quantity_before,
        TRY_CAST(json_field(item, 'quantity') AS DECIMAL(38, 18)) AS quantity_after,
        NULL AS status_before,
        NULL AS status_after,
        coalesce(user_principal_name, application_id) AS actor
    FROM order_items
),

audit AS (
    SELECT
        NULL AS change_id,
        customer_id,
        subscription_id,
        operation_date AS changed_at,
        operation_type AS event,
        quantity_before,
        quantity_after,
        status_before,
        status_after,
        'audit' AS source,
        2 AS precedence,
        actor
    FROM told
    WHERE
        id_key(subscription_id) IS NOT NULL
        AND (
            (quantity_after IS NOT NULL AND quantity_before IS DISTINCT FROM quantity_after)
            OR status_before <> status_after
        )
),

seat_lines AS (
    SELECT
        *,
        lower(trim(charge_type)) AS kind,
        lower(coalesce(nullif(json_field(reference_id, 'id'), ''), trim(reference_id))) AS reference,
        signed_quantity(coalesce(billable_quantity, quantity), subtotal, effective_unit_price) AS signed,
        CASE WHEN order_date BETWEEN charge_start_date AND charge_end_date THEN order_date ELSE charge_start_date END AS changed_on
    FROM staged_reconciliation
    WHERE
        lower(trim(charge_type)) IN ('addquantity', 'removequantity')
        AND coalesce(trim(reference_id), '') <> ''
        AND id_key(subscription_id) IS NOT NULL
),

recon AS (
    SELECT
        NULL AS change_id,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        CAST(changed_on AS TIMESTAMP) AS changed_at,
        min(charge_type) AS event,
        -sum(signed) FILTER (WHERE signed < 0) AS quantity_before,
        sum(signed) FILTER (WHERE signed > 0) AS quantity_after,
        NULL AS status_before,
        NULL AS status_after,
        'recon' AS source,
        3 AS precedence,
        NULL AS actor
    FROM seat_lines
    WHERE changed_on IS NOT NULL
    GROUP BY id_key(customer_id), id_key(subscription_id), reference, kind, changed_on, id_key(product_id), id_key(sku_id), invoice_number
    HAVING quantity_before > 0 AND quantity_after > 0 AND quantity_before <> quantity_after
),

spoken AS (
    SELECT * FROM inbox
    UNION ALL BY NAME
    SELECT * FROM audit
    UNION ALL BY NAME
    SELECT * FROM recon
),

daily_snapshots AS (
    SELECT
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        snapshot_on,
        arg_max(customer_id, scan_number) AS customer_id,
        arg_max(subscription_id, scan_number) AS subscription_id,
        arg_max(quantity, (scan_number, file_sha256, source_row)) AS quantity,
        arg_max(lower(status), (scan_number, file_sha256, source_row)) AS status
    FROM staged_subscriptions
    WHERE id_key(subscription_id) IS NOT NULL AND quantity IS NOT NULL
    GROUP BY ALL
),

neighbours AS (
    SELECT
        *,
        lag(snapshot_on) OVER history AS previous_on,
        lag(quantity) OVER history AS quantity_before,
        lag(status) OVER history AS status_before
    FROM daily_snapshots
    WINDOW history AS (PARTITION BY customer, subscription ORDER BY snapshot_on)
),

-- What a snapshot shows is news unless another source tells it of the days since the snapshot before; a change on that one's own
-- day may stand in it already, so it counts only when it leads to what is shown now.
untold AS (
    SELECT
        *,
        quantity_before <> quantity AND NOT EXISTS (
            SELECT 1
            FROM spoken
            WHERE
                id_key(spoken.subscription_id) = neighbours.subscription
                AND spoken.quantity_before IS DISTINCT FROM spoken.quantity_after
                AND CAST(spoken.changed_at AS DATE) BETWEEN neighbours.previous_on AND neighbours.snapshot_on
                AND (
                    CAST(spoken.changed_at AS DATE) > neighbours.previous_on
                    OR spoken.quantity_after = neighbours.quantity
                )
        ) AS is_new_quantity,
        coalesce(status_before <> status, FALSE) AND NOT EXISTS (
            SELECT 1
            FROM spoken
            WHERE
                id_key(spoken.subscription_id) = neighbours.subscription
                AND spoken.status_after = neighbours.status
                AND CAST(spoken.changed_at AS DATE) BETWEEN neighbours.previous_on AND neighbours.snapshot_on
        ) AS is_new_status
    FROM neighbours
    WHERE quantity_before <> quantity OR status_before <> status
),

snapshot AS (
    SELECT
        NULL AS change_id,
        customer_id,
        subscription_id,
        CAST(snapshot_on AS TIMESTAMP) AS changed_at,
        'snapshot' AS event,
        CASE WHEN is_new_quantity OR quantity_before = quantity THEN quantity_before END AS quantity_before,
        CASE WHEN is_new_quantity OR quantity_before = quantity THEN quantity END AS quantity_after,
        status_before,
        status AS status_after,
        'snapshot' AS source,
        4 AS precedence,
        NULL AS actor
    FROM untold
    WHERE is_new_quantity OR is_new_status
),

news AS (
    SELECT
        *,
        coalesce(id_key(customer_id), '') AS customer,
        id_key(subscription_id) AS subscription,
        CAST(changed_at AS DATE) AS changed_on,
        concat_ws(
            ' > ', coalesce(CAST(quantity_before AS VARCHAR), ''), coalesce(CAST(quantity_after AS VARCHAR), ''),
            CASE WHEN quantity_before IS NOT DISTINCT FROM quantity_after THEN concat_ws(' > ', status_before, status_after) END
        ) AS change
    FROM (
        SELECT * FROM spoken
        UNION ALL BY NAME
        SELECT * FROM snapshot
    )
),

compared AS (
    SELECT
        *,
        lag(change) OVER (
            PARTITION BY source, customer, subscription, changed_on ORDER BY changed_at, change, change_id, event, actor
        ) AS change_before
    FROM news
),

-- The same change told again by its source is one; after another change of that day it is a second one.
counted AS (
    SELECT
        *,
        count_if(change_before IS DISTINCT FROM change) OVER (
            PARTITION BY source, customer, subscription, changed_on, change ORDER BY changed_at, change_id, event, actor
        ) AS occurrence
    FROM compared
),

told_once AS (
    SELECT *
    FROM counted
    QUALIFY
        row_number() OVER (
            PARTITION BY customer, subscription, changed_on, change, occurrence ORDER BY precedence, changed_at, change_id, event, actor
        ) = 1
)

SELECT
    coalesce(
        change_id,
        left(sha256(concat_ws(
            chr(31), source, coalesce(id_key(customer_id), ''), coalesce(id_key(subscription_id), ''), CAST(changed_at AS VARCHAR),
            coalesce(event, ''), coalesce(CAST(quantity_before AS VARCHAR), ''), coalesce(CAST(quantity_after AS VARCHAR), ''),
            coalesce(status_before, ''), coalesce(status_after, '')
        )), 32)
    ) AS change_id,
    customer_id,
    subscription_id,
    changed_at,
    event,
    quantity_before,
    quantity_after,
    status_before,
    status_after,
    source,
    actor
FROM told_once
