-- Subscriptions as the latest snapshot lists them, completed by the provider's latest line for each; those that only lines name
-- have the quantity of the latest positive line, and none when they are consumption.
WITH lines AS (
    SELECT
        id_key(customer_id) AS customer,
        id_key(subscription_id) AS subscription,
        *,
        signed_quantity(coalesce(billable_quantity, quantity), subtotal, effective_unit_price) AS signed
    FROM staged_reconciliation
    WHERE id_key(subscription_id) IS NOT NULL
    QUALIFY
        row_number() OVER (
            PARTITION BY customer, subscription
            ORDER BY
                coalesce(lower(charge_type), '') = 'customercredit' OR coalesce(credit_reason_code, '') <> '',
                signed < 0, charge_start_date DESC, order_date DESC, invoice_number DESC, product_id, sku_id, signed DESC,
                file_sha256, source_row
        ) = 1
),

billed AS (
    SELECT
        *,
        family_of(
            FALSE, product_id, product_name, sku_name, reservation_order_id, publisher_name,
            concat_ws(' ', product_category, term_and_billing_cycle)
        ) AS product_family,
        CASE date_sub('month', subscription_start_date, subscription_end_date + 1)
            WHEN 1 THEN 'P1M'
            WHEN 12 THEN 'P1Y'
            WHEN 36 THEN 'P3Y'
        END AS term_code
    FROM lines
),

latest AS (
    SELECT
        *,
        id_key(subscription_id) AS subscription
    FROM staged_subscriptions
    WHERE id_key(subscription_id) IS NOT NULL
    QUALIFY
        row_number() OVER (
            PARTITION BY id_key(customer_id), subscription ORDER BY snapshot_on DESC, scan_number DESC, file_sha256, source_row DESC
        ) = 1
),

owners AS (
    SELECT
        subscription,
        min(customer_id) AS customer_id
    FROM lines
    GROUP BY subscription
),

snapshots AS (
    SELECT
        latest.* EXCLUDE (customer_id),
        coalesce(latest.customer_id, owners.customer_id) AS customer_id,
        id_key(coalesce(latest.customer_id, owners.customer_id)) AS customer,
        nullif(string_split(latest.offer_id, ':')[1], '') AS product_id,
        nullif(string_split(latest.offer_id, ':')[2], '') AS sku_id
    FROM latest
    LEFT JOIN owners ON latest.subscription = owners.subscription
)

SELECT
    coalesce(snapshots.customer_id, billed.customer_id) AS customer_id,
    coalesce(snapshots.subscription_id, billed.subscription_id) AS subscription_id,
    coalesce(snapshots.order_id, billed.order_id) AS order_id,
    coalesce(snapshots.product_id, billed.product_id) AS product_id,
    coalesce(snapshots.sku_id, billed.sku_id) AS sku_id,
    coalesce(snapshots.offer_name, billed.product_name) AS product_name,
    coalesce(
        billed.product_family,
        family_of(
            FALSE, snapshots.product_id, snapshots.offer_name, NULL, NULL, snapshots.publisher_name, snapshots.product_type
        )
    ) AS product_family,
    coalesce(snapshots.quantity, CASE WHEN billed.product_family <> 'azure_plan' THEN billed.signed END) AS quantity,
    snapshots.status,
    coalesce(snapshots.term_duration, billed.term_code) AS term_code,
    lower(coalesce(snapshots.billing_cycle, billed.billing_frequency)) AS billing_cycle,
    coalesce(snapshots.effective_start_date, billed.subscription_start_date) AS started_on,
    coalesce(snapshots.commitment_end_date, billed.subscription_end_date) AS commitment_ends_on,
    snapshots.auto_renew_enabled AS auto_renew,
    snapshots.entitlement_id,
    snapshots.friendly_name,
    snapshots.is_trial,
    snapshots.snapshot_on
FROM snapshots
FULL JOIN billed ON snapshots.subscription = billed.subscription AND billed.customer IS NOT DISTINCT FROM snapshots.customer
