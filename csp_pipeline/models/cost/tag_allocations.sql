-- Billed Azure cost split by each tag key that a customer uses in a month; what does not carry the key has no value, so that the values
-- of a key sum to all of it. Tags are a JSON object, or its inside without the braces; anything else carries no tag.
WITH billed AS (
    SELECT
        billing_month,
        currency,
        'azure_plan' AS product_family,
        customer_id,
        entitlement_id,
        tags,
        sum(billed_amount) AS billed_amount
    FROM cost.resource_allocations
    GROUP BY ALL
    UNION ALL
    SELECT
        billing_month,
        currency,
        product_family,
        customer_id,
        entitlement_id,
        tags,
        sum(billed_amount) AS billed_amount
    FROM cost.benefit_allocations
    GROUP BY ALL
),

tag_sets AS (
    SELECT
        tags,
        CASE
            WHEN json_valid(tags) THEN CASE WHEN json_type(tags) = 'OBJECT' THEN tags END
            WHEN json_valid('{' || tags || '}') THEN '{' || tags || '}'
        END AS document
    FROM (SELECT DISTINCT billed.tags FROM billed) AS sent
    WHERE tags IS NOT NULL
),

carried_tags AS (
    SELECT
        tag_sets.tags,
        lower(trim(tag.key)) AS name,
        trim(tag.key) AS tag_key,
        coalesce(json_extract_string(tag.value, '$'), '') AS tag_value
    FROM tag_sets
    INNER JOIN json_each(tag_sets.document) AS tag ON trim(tag.key) <> ''
    WHERE tag_sets.document IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY tag_sets.tags, name ORDER BY tag.key, tag.value) = 1
),

customer_tags AS (
    SELECT
        billed.billing_month,
        billed.currency,
        id_key(billed.customer_id) AS customer,
        carried_tags.name,
        min(carried_tags.tag_key) AS tag_key
    FROM billed
    INNER JOIN carried_tags ON billed.tags = carried_tags.tags
    GROUP BY ALL
)

SELECT
    billed.billing_month,
    billed.currency,
    min(billed.customer_id) AS customer_id,
    billed.product_family,
    min(nullif(trim(billed.entitlement_id), '')) AS entitlement_id,
    customer_tags.tag_key,
    carried_tags.tag_value,
    sum(billed.billed_amount) AS billed_amount
FROM billed
INNER JOIN customer_tags
    ON
        billed.billing_month = customer_tags.billing_month
        AND billed.currency = customer_tags.currency
        AND id_key(billed.customer_id) IS NOT DISTINCT FROM customer_tags.customer
LEFT JOIN carried_tags ON billed.tags = carried_tags.tags AND customer_tags.name = carried_tags.name
GROUP BY
    billed.billing_month, billed.currency, id_key(billed.customer_id), billed.product_family, id_key(billed.entitlement_id),
    customer_tags.tag_key, carried_tags.tag_value
