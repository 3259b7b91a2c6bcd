-- Contract lines that contradict themselves or lack what their price is made of; one row per column at fault.
WITH tiers AS (
    SELECT
        contract_line_id,
        bool_or(coalesce(package_size, 1) <= 0) AS has_empty_package,
        bool_or(package_size IS NULL) AS has_single_units,
        bool_or(unit_price IS NULL AND flat_amount IS NULL) AS has_no_price
    FROM reference.price_tiers
    GROUP BY contract_line_id
),

-- The components of one bundle of one customer are sold together: alike in everything that decides how they are charged. They may
-- come and go, so their first and last days may differ, unless they are charged once.
sales AS (
    SELECT
        line.contract_line_id,
        count(*) OVER sale AS components,
        bundle.bundle_id IS NOT NULL AS is_known,
        bundle.unit_price IS NOT NULL AS has_price,
        coalesce(bundle.currency, line.currency) <> line.currency AS is_in_other_currency,
        max(terms) OVER sale <> min(terms) OVER sale
        OR coalesce(max(line.anchor_day) OVER sale <> min(line.anchor_day) OVER sale, FALSE) AS differ_in_terms
    FROM (
        SELECT
            *,
            concat_ws(
                ' ', pricing_model, coalesce(billing_cycle, 'monthly'), coalesce(billing_timing, 'advance'), coalesce(proration, 'daily'),
                CASE WHEN starts_on = ends_on AND billing_cycle IS NULL THEN starts_on END
            ) AS terms
        FROM reference.contract_lines
        WHERE bundle_id IS NOT NULL
    ) AS line
    LEFT JOIN reference.bundles AS bundle ON line.bundle_id = bundle.bundle_id
    WINDOW sale AS (PARTITION BY line.account_id, line.bundle_id, coalesce(id_key(line.customer_id), ''))
),

lines AS (
    SELECT
        line.*,
        line.pricing_model = 'cost_plus' AS is_cost_plus,
        line.pricing_model IN ('graduated', 'volume', 'package') AS is_tiered,
        line.starts_on = line.ends_on AND line.billing_cycle IS NULL AND line.pricing_model <> 'cost_plus' AS is_one_time,
        coalesce(line.billing_cycle, 'monthly') AS cycle,
        coalesce(line.anchor_day, 1) AS anchor,
        coalesce(line.cost_source, 'provider') AS origin,
        tiers.contract_line_id IS NOT NULL AS has_tiers,
        tiers.has_empty_package,
        tiers.has_single_units,
        tiers.has_no_price,
        sale.is_known,
        sale.has_price,
        sale.is_in_other_currency,
        sale.differ_in_terms
    FROM reference.contract_lines AS line
    LEFT JOIN tiers ON line.contract_line_id = tiers.contract_line_id
    LEFT JOIN sales AS sale ON line.contract_line_id = sale.contract_line_id
),

findings AS (
    SELECT
        *,
        unnest([
            {
                'column_name': 'pricing_model',
                'is_met': is_tiered AND NOT has_tiers,
                'reason': 'pricing_model ' || pricing_model || ' needs rows in price_tiers, and there is none'
            },
            {
                'column_name': 'pricing_model',
                'is_met': NOT is_tiered AND has_tiers,
                'reason': 'price_tiers has rows for it, but pricing_model ' || pricing_model || ' has one price; say which holds'
            },
            {
                'column_name': 'pricing_model',
                'is_met': is_tiered AND has_no_price,
                'reason': 'a tier in price_tiers has neither unit_price nor flat_amount; write 0 for one that is free'
            },
            {
                'column_name': 'pricing_model',
                'is_met': is_tiered AND (has_empty_package OR (pricing_model = 'package' AND has_single_units)),
                'reason': 'a tier in price_tiers needs a package_size above 0'
            },
            {
                'column_name': 'anchor_day',
                'is_met': is_cost_plus AND anchor <> 1,
                'reason': 'cost_plus is charged by calendar month, anchor_day ' || anchor || ' cannot be used'
            },
            {
                'column_name': 'billing_cycle',
                'is_met': is_cost_plus AND cycle <> 'monthly',
                'reason': 'cost_plus is charged by calendar month, billing_cycle ' || cycle || ' cannot be used'
            },
            {
                'column_name': 'cost_source',
                'is_met': is_cost_plus AND origin IN ('own', 'none'),
                'reason': 'cost_plus needs provider cost, cost_source ' || origin || ' has none'
            },
            {
                'column_name': 'trial_ends_on',
                'is_met': is_cost_plus AND trial_ends_on >= starts_on AND trial_ends_on <> last_day(trial_ends_on),
                'reason': 'cost_plus is charged by calendar month, a trial ends with one, not on ' || trial_ends_on
            },
            {
                'column_name': 'anchor_day',
                'is_met': is_one_time AND anchor_day IS NOT NULL,
                'reason': 'it lasts one day and names an anchor_day: give a billing_cycle for a day of a cycle, or no anchor_day '
                || 'for a one-time charge'
            },
            {
                'column_name': 'trial_ends_on',
                'is_met': is_one_time AND trial_ends_on >= starts_on,
                'reason': 'a one-time charge has no trial'
            },
            {
                'column_name': 'maximum_amount',
                'is_met': maximum_amount < minimum_amount,
                'reason': 'the most that is charged, ' || trim_number(maximum_amount) || ', is less than the least, '
                || trim_number(minimum_amount)
            },
            {
                'column_name': 'bundle_id',
                'is_met': bundle_id IS NOT NULL AND NOT is_known,
                'reason': 'bundle ' || bundle_id || ' is not in bundles'
            },
            {
                'column_name': 'bundle_id',
                'is_met': bundle_id IS NOT NULL AND is_known AND NOT has_price,
                'reason': 'bundle ' || bundle_id || ' has no unit_price'
            },
            {
                'column_name': 'currency',
                'is_met': bundle_id IS NOT NULL AND is_in_other_currency,
                'reason': 'bundle ' || bundle_id || ' is priced in another currency than ' || currency
            },
            {
                'column_name': 'bundle_id',
                'is_met': bundle_id IS NOT NULL AND (is_tiered OR is_cost_plus),
                'reason': 'a component of a bundle is per_unit or flat, not ' || pricing_model
            },
            {
                'column_name': 'bundle_id',
                'is_met': bundle_id IS NOT NULL AND differ_in_terms,
                'reason': 'the components of bundle ' || bundle_id || ' differ in pricing model, cycle, anchor day or proration, so that '
                || 'one price cannot be spread over them; give what is sold apart a bundle of its own'
            }
        ]) AS finding
    FROM lines
),

faults AS (
    SELECT
        contract_line_id,
        account_id,
        bundle_id,
        coalesce(id_key(customer_id), '') AS customer_key,
        finding.column_name,
        finding.reason,
        source_file,
        source_row
    FROM findings
    WHERE finding.is_met
),

-- A bundle is charged whole or not at all.
left_alone AS (
    SELECT
        line.contract_line_id,
        'bundle_id' AS column_name,
        'contract line ' || min(fault.contract_line_id) || ' of the same bundle cannot be charged' AS reason,
        line.source_file,
        line.source_row
    FROM reference.contract_lines AS line
    INNER JOIN faults AS fault
        ON
            line.account_id = fault.account_id
            AND line.bundle_id = fault.bundle_id
            AND coalesce(id_key(line.customer_id), '') = fault.customer_key
    WHERE line.contract_line_id NOT IN (SELECT faulty.contract_line_id FROM faults AS faulty)
    GROUP BY line.contract_line_id, line.source_file, line.source_row
)

SELECT
    contract_line_id,
    column_name,
    source_file || ', line ' || source_row || ', column ' || column_name || ': ' || string_agg(reason, '; ' ORDER BY reason)
    || '; contract line ' || contract_line_id || ' is not charged.' AS message,
    source_file,
    source_row
FROM (
    SELECT
        contract_line_id,
        column_name,
        reason,
        source_file,
        source_row
    FROM faults
    UNION ALL
    SELECT
        contract_line_id,
        column_name,
        reason,
        source_file,
        source_row
    FROM left_alone
) AS every_fault
GROUP BY contract_line_id, column_name, source_file, source_row
