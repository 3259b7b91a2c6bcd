-- Revenue beside cost to be opened up: account, product family, subscription, line. The three upper levels are sums of
-- reconciliation.revenue_vs_cost; a line is what a document line recognises in the month (recognised_lines.sql).
WITH cost_currencies AS (
    SELECT
        service_month,
        account_id,
        currency,
        max(cost_currency) AS cost_currency
    FROM reconciliation.revenue_vs_cost
    WHERE cost_currency IS NOT NULL
    GROUP BY ALL
),

-- Of the rows of a contract line with cost in several currencies one bears the revenue.
bearers AS (
    SELECT
        service_month,
        account_id,
        contract_line_id,
        currency,
        arg_min(cost_currency, (revenue_amount = 0, cost_currency)) AS cost_currency
    FROM reconciliation.revenue_vs_cost
    WHERE contract_line_id IS NOT NULL
    GROUP BY service_month, account_id, contract_line_id, currency
    HAVING count(*) > 1
),

rows_ AS (
    SELECT
        row_.service_month,
        row_.account_id,
        row_.account_name,
        row_.customer_id,
        row_.subscription_id,
        row_.contract_line_id,
        row_.product_id,
        row_.sku_id,
        row_.product_name,
        row_.product_family,
        row_.currency,
        row_.cost_currency,
        -- a row without provider cost stands beside those of its account that have some
        coalesce(row_.cost_currency, found.cost_currency, row_.currency) AS shown_cost_currency,
        row_.revenue_amount,
        row_.cost_amount,
        coalesce(row_.cost_original_amount, 0) AS cost_original_amount,
        row_.difference_amount,
        row_.status,
        row_.cause,
        bearer.service_month IS NULL OR row_.cost_currency = bearer.cost_currency AS bears_revenue
    FROM reconciliation.revenue_vs_cost AS row_
    LEFT JOIN cost_currencies AS found
        ON
            row_.service_month = found.service_month
            AND row_.account_id IS NOT DISTINCT FROM found.account_id
            AND row_.currency = found.currency
    LEFT JOIN bearers AS bearer
        ON
            row_.service_month = bearer.service_month
            AND row_.account_id = bearer.account_id
            AND row_.contract_line_id = bearer.contract_line_id
            AND row_.currency = bearer.currency
),

placed AS (
    SELECT
        row_.* EXCLUDE (bears_revenue),
        line.side,
        line.line_id,
        line.entitlement_id,
        line.document_id,
        line.billing_month,
        line.name,
        line.start_on,
        line.end_on,
        line.quantity,
        line.amount,
        line.recognised_amount
    FROM recognised_lines AS line
    INNER JOIN rows_ AS row_
        ON
            line.service_month = row_.service_month
            AND line.contract_line_id = row_.contract_line_id
            AND line.account_id = row_.account_id
            AND line.row_currency = row_.currency
            AND CASE line.side WHEN 'cost' THEN line.currency = row_.cost_currency ELSE row_.bears_revenue END
    UNION ALL BY NAME
    SELECT
        row_.* EXCLUDE (bears_revenue),
        line.side,
        line.line_id,
        line.entitlement_id,
        line.document_id,
        line.billing_month,
        line.name,
        line.start_on,
        line.end_on,
        line.quantity,
        line.amount,
        line.recognised_amount
    FROM recognised_lines AS line
    INNER JOIN rows_ AS row_
        ON
            line.contract_line_id IS NULL
            AND row_.contract_line_id IS NULL
            AND line.service_month = row_.service_month
            AND line.row_currency = row_.currency
            AND line.currency = row_.cost_currency
            AND line.account_id IS NOT DISTINCT FROM row_.account_id
            AND line.customer_id IS NOT DISTINCT FROM row_.customer_id
            AND line.subscription_id IS NOT DISTINCT FROM row_.subscription_id
            AND line.product_id IS NOT DISTINCT FROM row_.product_id
            AND line.sku_id IS NOT DISTINCT FROM row_.sku_id
),

-- The row's converted cost on its lines, in units of 1E-10: each at the rate of its month or of its document, what the rounding of
-- the total moved by size, and the units left over by largest remainder. Sizes are in units of 1E-9, from 1 up: times what was moved
-- they must fit into 128 bits, as do amounts of 1E11 x a rounding to whole units.
converted AS (
    SELECT
        placed.*,
        product_units18(units18(placed.recognised_amount), CAST(rate.rate_units AS HUGEINT)) AS exact_units
    FROM placed
    INNER JOIN known_rates AS rate
        ON
            least(placed.service_month, placed.billing_month) = rate.rate_month
            AND placed.cost_currency = rate.from_currency
            AND placed.currency = rate.to_currency
    WHERE placed.side = 'cost' AND placed.currency <> placed.cost_currency AND placed.cost_amount IS NOT NULL
),

moved AS (
    SELECT
        *,
        units18(cost_amount) - sum(exact_units) OVER of_row AS moved_units,
        sum(size) OVER of_row AS weight
    FROM (
        SELECT
            *,
            abs(exact_units) // 1000000000 + abs(sign(exact_units)) AS size
        FROM converted
    )
    WINDOW of_row AS (
        PARTITION BY
            service_month, account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id, currency, cost_currency
    )
),

shared AS (
    SELECT
        *,
        exact_units
        + CASE weight WHEN 0 THEN 0 ELSE moved_units * size // weight END AS share
    FROM moved
),

left_over AS (
    SELECT
        *,
        units10(cost_amount) - sum(share // 100000000) OVER of_row AS units_left
    FROM shared
    WINDOW of_row AS (
        PARTITION BY
            service_month, account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id, currency, cost_currency
    )
),

costed AS (
    SELECT
        * EXCLUDE (exact_units, size, moved_units, weight, share, units_left),
        CAST(
            from_units10(
                share // 100000000
                + CASE
                    WHEN
                        row_number() OVER (
                            PARTITION BY
                                service_month, account_id, contract_line_id, customer_id, subscription_id, product_id, sku_id,
                                currency, cost_currency
                            ORDER BY (share % 100000000) * sign(units_left) DESC, line_id, entitlement_id
                        ) <= abs(units_left)
                        THEN sign(units_left)
                    ELSE 0
                END
            ) AS DECIMAL(38, 18)
        ) AS line_cost_amount
    FROM left_over
    UNION ALL BY NAME
    SELECT
        *,
        CASE WHEN side = 'revenue' THEN 0 WHEN currency = cost_currency THEN recognised_amount END AS line_cost_amount
    FROM placed
    WHERE side = 'revenue' OR currency = cost_currency OR cost_amount IS NULL
    UNION ALL BY NAME
    -- own work costs what its terms say; no document says so
    SELECT
        * EXCLUDE (bears_revenue),
        'cost' AS side,
        'own work' AS name,
        cost_amount AS line_cost_amount,
        CAST(0 AS DECIMAL(38, 18)) AS recognised_amount
    FROM rows_
    WHERE cost_currency IS NULL AND cost_amount <> 0
),

upper_levels AS (
    SELECT
        service_month,
        CASE WHEN grouping(product_family) = 0 THEN 'product_family' ELSE 'account' END AS level,
        account_id,
        product_family,
        CASE WHEN grouping(product_family) = 0 THEN product_family ELSE coalesce(max(account_name), account_id) END AS name,
        currency,
        shown_cost_currency AS cost_currency,
        CAST(sum(revenue_amount) AS DECIMAL(38, 18)) AS revenue_amount,
        CASE WHEN bool_and(cost_amount IS NOT NULL OR cost_original_amount = 0) THEN sum(coalesce(cost_amount, 0)) END AS cost_amount,
        sum(cost_original_amount) AS cost_original_amount,
        CASE WHEN bool_and(difference_amount IS NOT NULL) THEN CAST(sum(difference_amount) AS DECIMAL(38, 18)) END
            AS difference_amount
    FROM rows_
    GROUP BY GROUPING SETS (
        (service_month, currency, shown_cost_currency, account_id),
        (service_month, currency, shown_cost_currency, account_id, product_family)
    )
)

SELECT
    *,
    revenue_amount - cost_amount AS margin_amount
FROM upper_levels
UNION ALL BY NAME
SELECT
    * EXCLUDE (account_name, product_name, cost_currency, shown_cost_currency, bears_revenue)
    REPLACE (
        CAST(revenue_amount AS DECIMAL(38, 18)) AS revenue_amount, CAST(difference_amount AS DECIMAL(38, 18)) AS difference_amount
    ),
    'subscription' AS level,
    product_name AS name,
    shown_cost_currency AS cost_currency,
    CAST(revenue_amount AS DECIMAL(38, 18)) - cost_amount AS margin_amount
FROM rows_
UNION ALL BY NAME
SELECT
    service_month,
    'line' AS level,
    account_id,
    product_family,
    customer_id,
    subscription_id,
    contract_line_id,
    product_id,
    sku_id,
    name,
    currency,
    shown_cost_currency AS cost_currency,
    side,
    line_id,
    entitlement_id,
    document_id,
    billing_month,
    start_on AS service_start_on,
    end_on AS service_end_on,
    quantity,
    amount AS billed_amount,
    CASE WHEN side = 'revenue' THEN recognised_amount ELSE 0 END AS revenue_amount,
    line_cost_amount AS cost_amount,
    CASE WHEN side = 'cost' THEN recognised_amount ELSE 0 END AS cost_original_amount,
    CASE WHEN side = 'revenue' THEN recognised_amount ELSE -line_cost_amount END AS margin_amount
FROM costed
