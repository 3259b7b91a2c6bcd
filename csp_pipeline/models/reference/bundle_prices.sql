-- The price of each component of a bundle: one price per sale (account, bundle, customer), spread by the components' own unit
-- prices, evenly where none has one. The unit is the currency's minor unit, or 1E-10 where the price has finer digits; what
-- does not divide goes to the largest remainders, ties to the smallest contract_line_id.
WITH components AS (
    SELECT
        line.contract_line_id,
        line.account_id,
        line.bundle_id,
        coalesce(id_key(line.customer_id), '') AS customer_key,
        bundle.name AS bundle_name,
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
),

weighted AS (
    SELECT
        *,
        price_units // units_per_step AS steps,
        CASE WHEN sum(own_weight) OVER sale = 0 THEN 1 ELSE own_weight END AS weight,
        CASE WHEN sum(own_weight) OVER sale = 0 THEN count(*) OVER sale ELSE sum(own_weight) OVER sale END AS all_weights
    FROM components
    WINDOW sale AS (PARTITION BY account_id, bundle_id, customer_key)
),

shares AS (
    SELECT
        *,
        abs(steps) * weight // all_weights AS share,
        row_number() OVER (
            PARTITION BY account_id, bundle_id, customer_key
            ORDER BY abs(steps) * weight % all_weights DESC, contract_line_id ASC
        ) AS place,
        abs(steps) - sum(abs(steps) * weight // all_weights) OVER (
            PARTITION BY account_id, bundle_id, customer_key
        ) AS left_over
    FROM weighted
)

SELECT
    contract_line_id,
    bundle_id,
    bundle_name,
    cast(
        from_units10(sign(steps) * (share + CASE WHEN place <= left_over THEN 1 ELSE 0 END) * units_per_step) AS DECIMAL(38, 18)
    ) AS unit_price
FROM shares
