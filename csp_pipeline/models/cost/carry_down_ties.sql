-- Among usage rows of a line with the same remainder, those that take the last units: first by the usage's own content, so that
-- the order of files and rows never decides. Rows equal in all of it belong to the same target.
SELECT
    tied.line_number,
    tied.target_number
FROM tied
INNER JOIN cost.daily_usage AS usage ON tied.usage_row = usage.rowid
QUALIFY
    row_number() OVER (
        PARTITION BY tied.line_number
        ORDER BY
            usage.usage_on, usage.entitlement_id, usage.resource_group, usage.resource_id, usage.meter_id, usage.tags,
            usage.customer_id, usage.subscription_id, usage.product_id, usage.sku_id, usage.net_amount, usage.quantity
    ) <= tied.places
