-- The price of each component of a bundle over time: one price per sale (account, bundle, customer), on each day spread over the
-- components charged on it, by their own unit prices, evenly where none has one. A component in its trial bears nothing. The unit
-- is the currency's minor unit, or 1E-10 where the price has finer digits; what does not divide goes to the largest remainders,
-- ties to the smallest contract_line_id.
WITH components AS (
    SELECT
        line.contract_line_id,
        line.account_id,
        line.bundle_id,
        coalesce(id_key(line.customer_id), '') AS customer_key,
        bundle.name AS bundle_name,
        greatest(line.starts_on, coalesce(line.trial_ends_on + 1, line.starts_on)) AS from_on,
        coalesce(line.ends_on, DATE '9999-12-30') AS until_on,
        coalesce(min(line.anchor_day) OVER sale, day(min(line.starts_on) OVER sale)) AS anchor_day,
        units10(bundle.unit_price) AS price_units,
        CASE
            WHEN units10(bundle.unit_price) % power_of_ten(10 - coalesce(currency.decimals, 2)) = 0
                THEN power_of_ten(10 - coalesce(currency.decimals, 2))
            ELSE 1
        END AS units_per_step,
        units10(abs(coalesce(line.unit_price, 0))) AS own_weight
    FROM reference.contract_lines AS line
    INNER JOIN reference.bundles AS bundle ON line.bundle_id = bundle.bundle_id
    LEFT JOIN reference.currencies AS currency ON bundle.currency = currency.currency
    WHERE bundle.unit_price IS NOT NULL
    WINDOW sale AS (PARTITION BY line.account_id, line.bundle_id, coalesce(id_key(line.customer_id), ''))
),

days AS (
    SELECT
        account_id,
        bundle_id,
        customer_key,
        from_on AS day_on
    FROM components
    UNION
    SELECT
        account_id,
        bundle_id,
        customer_key,
        until_on + 1 AS day_on
    FROM components
),

members AS (
    SELECT
        component.* EXCLUDE (from_on, until_on),
        days.day_on AS from_on,
        component.price_units // component.units_per_step AS steps
    FROM components AS component
    INNER JOIN days
        ON
            component.account_id = days.account_id
            AND component.bundle_id = days.bundle_id
            AND component.customer_key = days.customer_key
            AND days.day_on BETWEEN component.from_on AND component.until_on
),

weighted AS (
    SELECT
        *,
        CASE WHEN sum(own_weight) OVER sale = 0 THEN 1 ELSE own_weight END AS weight,
        CASE WHEN sum(own_weight) OVER sale = 0 THEN count(*) OVER sale ELSE sum(own_weight) OVER sale END AS all_weights
    FROM members
    WINDOW sale AS (PARTITION BY account_id, bundle_id, customer_key, from_on)
),

shares AS (
    SELECT
        *,
        abs(steps) * weight // all_weights AS share,
        row_number() OVER (
            PARTITION BY account_id, bundle_id, customer_key, from_on
            ORDER BY abs(steps) * weight % all_weights DESC, contract_line_id ASC
        ) AS place,
        abs(steps) - sum(abs(steps) * weight // all_weights) OVER (
            PARTITION BY account_id, bundle_id, customer_key, from_on
        ) AS left_over
    FROM weighted
),

prices AS (
    SELECT
        contract_line_id,
        bundle_id,
        bundle_name,
        from_on,
        anchor_day,
        cast(
            from_units10(sign(steps) * (share + CASE WHEN place <= left_over THEN 1 ELSE 0 END) * units_per_step) AS DECIMAL(38, 18)
        ) AS unit_price
    FROM shares
)

SELECT
    contract_line_id,
    bundle_id,
    bundle_name,
    from_on,
    cast(anchor_day AS INTEGER) AS anchor_day,
    unit_price
FROM prices
QUALIFY unit_price IS DISTINCT FROM lag(unit_price) OVER (PARTITION BY contract_line_id ORDER BY from_on)
