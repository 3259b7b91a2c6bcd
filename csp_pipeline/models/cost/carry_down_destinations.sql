-- The targets of each line: those of its matched meter group; without one, the usage of its keys and credit percentage; without
-- any, all usage of its customer, subscription, product and SKU. Weights are net amounts, else quantities, else equal.
WITH targets AS (
    SELECT
        target_number,
        invoice_number,
        coalesce(id_key(customer_id), '') AS customer,
        coalesce(id_key(subscription_id), '') AS subscription,
        coalesce(id_key(product_id), '') AS product,
        coalesce(id_key(sku_id), '') AS sku,
        coalesce(id_key(meter_id), '') AS meter,
        pec_percent,
        usage_rows,
        net_weight,
        quantity_weight
    FROM carry_down_targets
),

matched AS (
    SELECT
        line_id,
        coalesce(id_key(meter_id), '') AS meter
    FROM cost.usage_groups
    WHERE billing_month = $billing_month AND currency = $currency AND line_id IS NOT NULL
),

reachable AS (
    SELECT
        lines.line_number,
        targets.target_number,
        targets.usage_rows,
        targets.net_weight,
        targets.quantity_weight,
        matched.meter IS NOT NULL AS has_meter,
        bool_or(targets.pec_percent = lines.pec_percent) OVER (PARTITION BY lines.line_number) AS has_percent,
        targets.pec_percent = lines.pec_percent AS is_same_percent,
        targets.meter = matched.meter AS is_same_meter
    FROM carry_down_lines AS lines
    INNER JOIN targets USING (invoice_number, customer, subscription, product, sku)
    LEFT JOIN matched ON lines.line_id = matched.line_id
),

chosen AS (
    SELECT *
    FROM reachable
    WHERE
        CASE
            WHEN has_meter THEN is_same_percent AND is_same_meter
            WHEN has_percent THEN is_same_percent
            ELSE TRUE
        END
),

weighed AS (
    SELECT
        *,
        sum(net_weight) OVER (PARTITION BY line_number) AS line_net_weight,
        sum(quantity_weight) OVER (PARTITION BY line_number) AS line_quantity_weight,
        sum(usage_rows) OVER (PARTITION BY line_number) AS line_rows
    FROM chosen
)

SELECT
    line_number,
    target_number,
    CASE WHEN line_net_weight <> 0 THEN 'net' WHEN line_quantity_weight <> 0 THEN 'quantity' ELSE 'row' END AS weight_kind,
    CASE
        WHEN line_net_weight <> 0 THEN line_net_weight
        WHEN line_quantity_weight <> 0 THEN line_quantity_weight
        ELSE CAST(line_rows AS DECIMAL(38, 18))
    END AS line_weight
FROM weighed
