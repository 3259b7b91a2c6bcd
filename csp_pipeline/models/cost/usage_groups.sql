-- Usage summed by customer, subscription, product, SKU, meter and credit percentage, each group with the one line that bills it:
-- a line of the same keys, percentage and quantity. Among equal quantities the line's description chooses, then the amount that
-- the published formula gives, then the order of names and ids; never the order of files or rows.
WITH as_sent AS (
    SELECT
        invoice_number,
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        meter_id,
        pec_percent,
        min(meter_category) AS meter_category,
        min(meter_sub_category) AS meter_sub_category,
        min(meter_name) AS meter_name,
        min(meter_region) AS meter_region,
        count(*) AS usage_rows,
        sum(quantity) AS quantity,
        sum(coalesce(pricing_amount, 0)) AS pricing_amount,
        sum(net_amount) AS net_amount,
        sum(pec_amount) AS pec_amount
    FROM cost.daily_usage
    WHERE billing_month = $billing_month AND currency = $currency AND NOT is_estimate
    GROUP BY invoice_number, customer_id, subscription_id, product_id, sku_id, meter_id, pec_percent
),

keyed AS (
    SELECT
        invoice_number,
        coalesce(id_key(customer_id), '') AS customer,
        coalesce(id_key(subscription_id), '') AS subscription,
        coalesce(id_key(product_id), '') AS product,
        coalesce(id_key(sku_id), '') AS sku,
        coalesce(id_key(meter_id), '') AS meter,
        pec_percent,
        min(customer_id) AS customer_id,
        min(subscription_id) AS subscription_id,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        min(meter_id) AS meter_id,
        min(meter_category) AS meter_category,
        min(meter_sub_category) AS meter_sub_category,
        min(meter_name) AS meter_name,
        min(meter_region) AS meter_region,
        CAST(sum(usage_rows) AS BIGINT) AS usage_rows,
        sum(quantity) AS quantity,
        sum(pricing_amount) AS pricing_amount,
        sum(net_amount) AS net_amount,
        sum(pec_amount) AS pec_amount
    FROM as_sent
    GROUP BY ALL
),

usage_groups AS MATERIALIZED (
    SELECT
        *,
        row_number() OVER (ORDER BY invoice_number, customer, subscription, product, sku, meter, pec_percent) AS group_number,
        row_number() OVER (
            PARTITION BY invoice_number, customer, subscription, product, sku, pec_percent, quantity ORDER BY meter_name, meter
        ) AS position
    FROM keyed
),

lines AS (
    SELECT
        line_id,
        invoice_number,
        coalesce(id_key(customer_id), '') AS customer,
        coalesce(id_key(subscription_id), '') AS subscription,
        coalesce(id_key(product_id), '') AS product,
        coalesce(id_key(sku_id), '') AS sku,
        pec_percent,
        billable_quantity AS quantity,
        lower(coalesce(trim(meter_description), '')) AS description,
        units18(subtotal_amount) AS subtotal_units,
        units18(coalesce(fx_rate, 1)) AS fx_units,
        row_number() OVER (
            PARTITION BY invoice_number, customer, subscription, product, sku, pec_percent, quantity ORDER BY description, line_id
        ) AS position
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND is_in_daily_usage AND NOT is_estimate
),

pairs AS MATERIALIZED (
    SELECT
        lines.line_id,
        lines.description,
        usage_groups.group_number,
        CASE WHEN lines.description = lower(usage_groups.meter_name) THEN 1000 ELSE 0 END
        + text_found(lines.description, lower(usage_groups.meter_name))
        + text_found(lines.description, lower(usage_groups.meter_sub_category))
        + text_found(lines.description, lower(usage_groups.meter_category))
        + text_found(lines.description, lower(usage_groups.meter_region)) AS naming,
        usage_line_minor_units(units18(usage_groups.pricing_amount), lines.fx_units, $minor_decimals)
        * one_minor_unit18($minor_decimals) = lines.subtotal_units AS has_amount,
        abs(lines.position - usage_groups.position) AS distance
    FROM lines
    INNER JOIN usage_groups USING (invoice_number, customer, subscription, product, sku, pec_percent, quantity)
),

named AS MATERIALIZED (
    SELECT
        line_id,
        group_number
    FROM pairs
    WHERE naming > 0
    QUALIFY
        row_number() OVER (PARTITION BY line_id ORDER BY naming DESC, has_amount DESC, distance, group_number) = 1
        AND row_number() OVER (PARTITION BY group_number ORDER BY naming DESC, has_amount DESC, distance, line_id) = 1
),

valued AS MATERIALIZED (
    SELECT
        pairs.line_id,
        pairs.group_number
    FROM pairs
    ANTI JOIN named AS taken_line ON pairs.line_id = taken_line.line_id
    ANTI JOIN named AS taken_group ON pairs.group_number = taken_group.group_number
    WHERE pairs.has_amount
    QUALIFY
        row_number() OVER (PARTITION BY pairs.line_id ORDER BY pairs.naming DESC, pairs.distance, pairs.group_number) = 1
        AND row_number() OVER (PARTITION BY pairs.group_number ORDER BY pairs.naming DESC, pairs.distance, pairs.line_id) = 1
),

taken AS (
    SELECT
        line_id,
        group_number
    FROM named
    UNION ALL
    SELECT
        line_id,
        group_number
    FROM valued
),

left_over AS (
    SELECT
        pairs.line_id,
        pairs.group_number,
        dense_rank() OVER (PARTITION BY class.class_number ORDER BY pairs.description, pairs.line_id) AS line_position,
        dense_rank() OVER (PARTITION BY class.class_number ORDER BY pairs.group_number) AS group_position
    FROM pairs
    INNER JOIN (
        SELECT
            group_number,
            dense_rank() OVER (ORDER BY invoice_number, customer, subscription, product, sku, pec_percent, quantity) AS class_number
        FROM usage_groups
    ) AS class ON pairs.group_number = class.group_number
    ANTI JOIN taken AS taken_line ON pairs.line_id = taken_line.line_id
    ANTI JOIN taken AS taken_group ON pairs.group_number = taken_group.group_number
),

assigned AS (
    SELECT
        line_id,
        group_number
    FROM taken
    UNION ALL
    SELECT
        line_id,
        group_number
    FROM left_over
    WHERE line_position = group_position
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    usage_groups.invoice_number,
    usage_groups.customer_id,
    usage_groups.subscription_id,
    usage_groups.product_id,
    usage_groups.sku_id,
    usage_groups.meter_id,
    usage_groups.pec_percent,
    usage_groups.meter_category,
    usage_groups.meter_sub_category,
    usage_groups.meter_name,
    usage_groups.meter_region,
    usage_groups.usage_rows,
    usage_groups.quantity,
    usage_groups.pricing_amount,
    usage_groups.net_amount,
    usage_groups.pec_amount,
    assigned.line_id
FROM usage_groups
LEFT JOIN assigned ON usage_groups.group_number = assigned.group_number
