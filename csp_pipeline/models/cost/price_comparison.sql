-- The list price of billed lines against the sheet of their month and market: prices of a term are brought to the billing plan's
-- cycle, and the nearest is shown. Consumption of the Azure plan is not on lines by price, credits have none.
WITH lines AS (
    SELECT
        billing_month,
        currency,
        upper(trim(customer_country)) AS market,
        id_key(product_id) AS product,
        id_key(sku_id) AS sku,
        upper(trim(pricing_currency)) AS pricing_currency,
        unit_price,
        coalesce(charge_start_on, CAST(billing_month || '-01' AS DATE)) AS priced_on,
        min(product_id) AS product_id,
        min(sku_id) AS sku_id,
        min(product_name) AS product_name,
        count(*) AS line_count,
        sum(subtotal_amount) AS subtotal_amount
    FROM cost.invoice_lines
    WHERE
        NOT is_estimate
        AND provider = 'microsoft'
        AND product_family <> 'azure_plan'
        AND product_id IS NOT NULL
        AND coalesce(unit_price, 0) <> 0
        AND lower(coalesce(charge_type, '')) <> 'customercredit'
    GROUP BY billing_month, currency, market, product, sku, upper(trim(pricing_currency)), unit_price, priced_on
),

terms AS (
    SELECT
        *,
        id_key(product_id) AS product,
        id_key(sku_id) AS sku,
        coalesce(effective_from_on, DATE '0001-01-01') AS from_on,
        coalesce(effective_until_on, DATE '9999-12-31') AS until_on,
        CASE upper(trim(term_duration)) WHEN 'P1Y' THEN 12 WHEN 'P3Y' THEN 36 ELSE 1 END AS term_months,
        CASE lower(trim(billing_plan)) WHEN 'monthly' THEN 1 WHEN 'annual' THEN 12 WHEN 'triennial' THEN 36 END AS plan_months
    FROM cost.price_sheet_prices
    WHERE unit_price IS NOT NULL
),

prices AS (
    SELECT
        *,
        from_units10(
            divide_half_away(
                units18(unit_price) * least(coalesce(plan_months, term_months), term_months), term_months * CAST(100000000 AS HUGEINT)
            )
        ) AS cycle_price
    FROM terms
),

sheets AS (
    SELECT
        market,
        from_on,
        until_on
    FROM prices
    GROUP BY market, from_on, until_on
),

found AS (
    SELECT
        line.*,
        price.cycle_price AS sheet_price,
        price.term_duration,
        price.billing_plan,
        row_number() OVER (
            PARTITION BY
                line.billing_month, line.currency, line.market, line.product, line.sku,
                line.pricing_currency, line.unit_price, line.priced_on
            ORDER BY abs(price.cycle_price - line.unit_price), price.term_duration, price.billing_plan, price.from_on
        ) AS place
    FROM lines AS line
    LEFT JOIN prices AS price
        ON
            line.market = price.market
            AND line.product = price.product
            AND price.sku IS NOT DISTINCT FROM line.sku
            AND line.pricing_currency = price.currency
            AND line.priced_on BETWEEN price.from_on AND price.until_on
    QUALIFY place = 1
)

SELECT
    billing_month,
    currency,
    market,
    product_id,
    sku_id,
    product_name,
    priced_on,
    pricing_currency,
    unit_price,
    line_count,
    subtotal_amount,
    term_duration,
    billing_plan,
    sheet_price,
    unit_price - sheet_price AS difference_price,
    CASE
        WHEN sheet_price IS NULL AND EXISTS (
            SELECT 1 FROM sheets
            WHERE found.market = sheets.market AND found.priced_on BETWEEN sheets.from_on AND sheets.until_on
        ) THEN 'absent'
        WHEN sheet_price IS NULL THEN 'no_sheet'
        WHEN abs(unit_price - sheet_price) <= CAST('0.005' AS DECIMAL(4, 3)) THEN 'listed'
        ELSE 'differs'
    END AS price_state
FROM found
