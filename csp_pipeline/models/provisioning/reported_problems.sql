-- What the provider reports as not provisioned. A change that is younger than a day may still be under way; what was done since,
-- or agrees by now, is no problem.
WITH last_changes AS (
    SELECT
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        max(changed_at) AS changed_at
    FROM partner_center.subscription_changes
    GROUP BY ALL
),

told AS (
    SELECT
        provisioning.*,
        provisioning.snapshot_on <= CAST(
            coalesce(changes.changed_at, orders.ordered_at, CAST(subscriptions.started_on AS TIMESTAMP)) AS DATE
        ) + 1 AS is_young
    FROM partner_center.provisioning AS provisioning
    LEFT JOIN last_changes AS changes
        ON
            id_key(provisioning.customer_id) = changes.customer
            AND id_key(provisioning.subscription_id) = changes.subscription
    LEFT JOIN partner_center.orders AS orders
        ON
            id_key(provisioning.order_id) = id_key(orders.order_id)
            AND id_key(provisioning.customer_id) = id_key(orders.customer_id)
            AND provisioning.line_number = orders.line_number
    LEFT JOIN partner_center.subscriptions AS subscriptions
        ON
            id_key(provisioning.customer_id) = id_key(subscriptions.customer_id)
            AND id_key(provisioning.subscription_id) = id_key(subscriptions.subscription_id)
),

judged AS (
    SELECT
        *,
        CASE
            WHEN status IN ('failed', 'unfulfilled') THEN 'not_provisioned'
            WHEN status IN ('pending', 'prefulfillmentpending') THEN 'pending_too_long'
            WHEN subject = 'subscription' AND status = 'success' AND quantity_provisioned <> quantity_requested THEN 'quantity_differs'
        END AS code
    FROM told
),

statuses AS (
    SELECT
        CAST(snapshot_on AS TIMESTAMP) AS occurred_at,
        customer_id,
        subscription_id,
        CASE subject WHEN 'subscription' THEN 'change_quantity' ELSE 'purchase' END AS operation,
        CASE WHEN code <> 'not_provisioned' AND coalesce(is_young, FALSE) THEN 'pending' ELSE 'failed' END AS outcome,
        code,
        CASE code
            WHEN 'not_provisioned' THEN 'The provider did not provision it'
            WHEN 'pending_too_long' THEN 'The provider has not provisioned it yet'
            ELSE 'The provider provisioned another quantity than the subscription has'
        END || concat(' (status ', status, coalesce(', order ' || order_id, ''), ').') AS message,
        quantity_requested,
        quantity_provisioned,
        CASE subject WHEN 'subscription' THEN 'provisioning_status' ELSE 'order' END AS source,
        concat_ws(chr(31), subject, order_id, CAST(line_number AS VARCHAR), status) AS place
    FROM judged
    WHERE code IS NOT NULL
),

operations AS (
    SELECT
        operation_date AS occurred_at,
        customer_id,
        coalesce(
            json_field(resource_new_value, 'subscriptionId'), json_field(resource_new_value, 'id'),
            json_field(resource_old_value, 'id')
        ) AS subscription_id,
        CASE lower(operation_type)
            WHEN 'update_subscription' THEN 'change_quantity'
            WHEN 'create_order' THEN 'purchase'
            ELSE lower(operation_type)
        END AS operation,
        TRY_CAST(json_field(resource_new_value, 'quantity') AS DECIMAL(38, 18)) AS quantity_requested,
        TRY_CAST(json_field(resource_old_value, 'quantity') AS DECIMAL(38, 18)) AS quantity_provisioned
    FROM staged_audit_records
    WHERE
        lower(coalesce(operation_status, '')) = 'failed'
        AND lower(operation_type) IN (
            'update_subscription', 'create_order', 'update_order', 'upgrade_subscription', 'convert_trial_subscription'
        )
),

failed_operations AS (
    SELECT DISTINCT
        operations.occurred_at,
        operations.customer_id,
        operations.subscription_id,
        operations.operation,
        'failed' AS outcome,
        'not_provisioned' AS code,
        'The activity log tells of a change that failed.' AS message,
        operations.quantity_requested,
        operations.quantity_provisioned,
        'activity_log' AS source,
        CAST(operations.occurred_at AS VARCHAR) AS place
    FROM operations
    LEFT JOIN last_changes AS changes
        ON
            id_key(operations.customer_id) = changes.customer
            AND id_key(operations.subscription_id) = changes.subscription
    WHERE changes.changed_at IS NULL OR changes.changed_at <= operations.occurred_at
),

problems AS (
    SELECT * FROM statuses
    UNION ALL BY NAME
    SELECT * FROM failed_operations
)

SELECT
    left(sha256(concat_ws(
        chr(31), source, coalesce(id_key(customer_id), ''), coalesce(id_key(subscription_id), ''), place, code,
        coalesce(CAST(quantity_requested AS VARCHAR), '')
    )), 32) AS event_id,
    occurred_at,
    customer_id,
    subscription_id,
    operation,
    outcome,
    CASE
        WHEN outcome = 'pending' THEN NULL
        WHEN code = 'not_provisioned' THEN 'business_rule'
        ELSE 'technical'
    END AS failure_class,
    code,
    message,
    quantity_requested,
    quantity_provisioned,
    source
FROM problems
