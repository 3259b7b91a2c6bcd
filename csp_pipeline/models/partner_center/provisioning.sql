-- What was provisioned: of each subscription, and of each line of an order, as the latest snapshot that lists it tells.
WITH subscription_status AS (
    SELECT
        *,
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription
    FROM staged_subscription_provisioning
    WHERE id_key(subscription_id) IS NOT NULL
    QUALIFY
        row_number() OVER (
            PARTITION BY customer, subscription ORDER BY snapshot_on DESC, scan_number DESC, file_sha256, source_row DESC
        ) = 1
),

parts AS (
    SELECT
        *,
        id_key(customer_id) AS customer,
        id_key(order_id) AS order_key
    FROM staged_order_provisioning
    WHERE id_key(order_id) IS NOT NULL
    QUALIFY
        rank() OVER (PARTITION BY customer, order_key, line_number ORDER BY snapshot_on DESC, scan_number DESC, file_sha256) = 1
),

order_lines AS (
    SELECT
        customer,
        order_key,
        line_number,
        min(customer_id) AS customer_id,
        min(order_id) AS order_id,
        lower(min(status)) AS status,
        CASE WHEN count(quantity) > 0 THEN coalesce(sum(quantity) FILTER (WHERE lower(quantity_status) = 'fulfilled'), 0) END AS quantity,
        min(snapshot_on) AS snapshot_on
    FROM parts
    GROUP BY ALL
)

SELECT
    'subscription' AS subject,
    told.customer_id,
    told.subscription_id,
    NULL AS order_id,
    NULL AS line_number,
    told.sku_id,
    lower(told.status) AS status,
    subscriptions.quantity AS quantity_requested,
    told.quantity AS quantity_provisioned,
    told.end_date AS ends_on,
    told.snapshot_on
FROM subscription_status AS told
LEFT JOIN partner_center.subscriptions AS subscriptions
    ON told.subscription = id_key(subscriptions.subscription_id) AND told.customer = id_key(subscriptions.customer_id)
UNION ALL
SELECT
    'order_line' AS subject,
    told.customer_id,
    orders.subscription_id,
    told.order_id,
    CAST(told.line_number AS BIGINT) AS line_number,
    orders.sku_id,
    told.status,
    orders.quantity AS quantity_requested,
    told.quantity AS quantity_provisioned,
    NULL AS ends_on,
    told.snapshot_on
FROM order_lines AS told
LEFT JOIN partner_center.orders AS orders
    ON
        told.order_key = id_key(orders.order_id)
        AND told.customer = id_key(orders.customer_id)
        AND told.line_number = orders.line_number
