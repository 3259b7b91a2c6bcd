-- Lines of orders as the latest snapshot that lists their order tells them.
WITH latest AS (
    SELECT
        *,
        id_key(customer_id) AS customer,
        id_key(order_id) AS order_key
    FROM staged_orders
    WHERE id_key(order_id) IS NOT NULL
    QUALIFY
        snapshot_on IS NOT DISTINCT FROM max(snapshot_on) OVER (PARTITION BY customer, order_key)
        AND row_number() OVER (
            PARTITION BY customer, order_key, line_number ORDER BY snapshot_on DESC, scan_number DESC, file_sha256, source_row DESC
        ) = 1
)

SELECT
    customer_id,
    order_id,
    CAST(line_number AS BIGINT) AS line_number,
    lower(status) AS status,
    creation_date AS ordered_at,
    coalesce(line_transaction_type, transaction_type) AS transaction_type,
    subscription_id,
    nullif(string_split(offer_id, ':')[1], '') AS product_id,
    nullif(string_split(offer_id, ':')[2], '') AS sku_id,
    friendly_name AS product_name,
    quantity,
    price AS unit_price,
    currency_code AS currency,
    term_duration AS term_code,
    lower(billing_cycle) AS billing_cycle,
    promotion_id,
    partner_id_on_record AS reseller_mpn_id,
    snapshot_on
FROM latest
