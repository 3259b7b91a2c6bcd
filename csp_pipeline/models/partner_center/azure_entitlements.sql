-- Azure subscriptions under each Azure plan, as the latest snapshot that lists any of the plan tells them.
WITH latest AS (
    SELECT
        *,
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription
    FROM staged_azure_entitlements
    WHERE id_key(subscription_id) IS NOT NULL AND id_key(entitlement_id) IS NOT NULL
    QUALIFY
        snapshot_on IS NOT DISTINCT FROM max(snapshot_on) OVER (PARTITION BY subscription)
        AND row_number() OVER (
            PARTITION BY subscription, id_key(entitlement_id) ORDER BY snapshot_on DESC, scan_number DESC, file_sha256, source_row DESC
        ) = 1
),

owners AS (
    SELECT
        id_key(subscription_id) AS subscription,
        min(customer_id) AS customer_id
    FROM partner_center.subscriptions
    GROUP BY ALL
)

SELECT
    coalesce(latest.customer_id, owners.customer_id) AS customer_id,
    latest.subscription_id,
    latest.entitlement_id,
    latest.friendly_name AS name,
    lower(latest.status) AS status,
    latest.snapshot_on
FROM latest
LEFT JOIN owners ON latest.subscription = owners.subscription
