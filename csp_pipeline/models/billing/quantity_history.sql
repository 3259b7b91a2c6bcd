-- The quantity of every subscription over time: the change log, else the snapshot, else the provider's lines, by which seats end
-- after their last covered day once a later month of the provider is loaded.
WITH log AS (
    SELECT
        id_key(customer_id) AS customer_id,
        id_key(subscription_id) AS subscription_id,
        changed_at,
        cast(changed_at AS DATE) AS changed_on,
        cast(quantity_before AS DECIMAL(38, 18)) AS quantity_before,
        cast(quantity_after AS DECIMAL(38, 18)) AS quantity_after,
        change_id
    FROM partner_center.subscription_changes
    WHERE quantity_after IS NOT NULL AND changed_at IS NOT NULL AND id_key(subscription_id) IS NOT NULL
),

-- Changes of one instant follow each other by their quantities: the first starts from what no other ends with.
ordered AS (
    SELECT
        *,
        coalesce(list_contains(list(quantity_after) OVER instant, quantity_before), FALSE) AS follows_another,
        coalesce(list_contains(list(quantity_before) OVER instant, quantity_after), FALSE) AS is_followed
    FROM log
    WINDOW instant AS (PARTITION BY customer_id, subscription_id, changed_at)
),

by_day AS (
    SELECT
        customer_id,
        subscription_id,
        changed_on AS from_on,
        arg_max(quantity_after, (changed_at, NOT is_followed, change_id)) AS quantity,
        arg_max(quantity_after, (NOT is_followed, change_id)) FILTER (WHERE changed_at = changed_on) AS quantity_at_midnight,
        arg_min(coalesce(quantity_before, quantity_after), (changed_at, follows_another, change_id)) AS quantity_before
    FROM ordered
    GROUP BY ALL
),

from_changes AS (
    SELECT
        customer_id,
        subscription_id,
        from_on,
        coalesce(quantity_at_midnight, lag(quantity) OVER history, quantity_before) AS quantity_at_start,
        quantity
    FROM by_day
    WINDOW history AS (PARTITION BY customer_id, subscription_id ORDER BY from_on)
    UNION ALL
    SELECT
        customer_id,
        subscription_id,
        NULL AS from_on,
        arg_min(quantity_before, from_on) AS quantity_at_start,
        arg_min(quantity_before, from_on) AS quantity
    FROM by_day
    GROUP BY ALL
),

from_snapshot AS (
    SELECT
        id_key(customer_id) AS customer_id,
        id_key(subscription_id) AS subscription_id,
        NULL AS from_on,
        cast(max(quantity) AS DECIMAL(38, 18)) AS quantity_at_start,
        cast(max(quantity) AS DECIMAL(38, 18)) AS quantity
    FROM partner_center.subscriptions
    WHERE quantity IS NOT NULL AND snapshot_on IS NOT NULL
    GROUP BY ALL
),

-- Provider lines that differ only in product or SKU count once; credits are money, not seats.
seats AS (
    SELECT DISTINCT
        id_key(customer_id) AS customer_id,
        id_key(subscription_id) AS subscription_id,
        coalesce(provider, 'microsoft') AS provider,
        currency,
        billing_month,
        invoice_number,
        charge_start_on,
        greatest(coalesce(charge_end_on, charge_start_on), charge_start_on) AS charge_end_on,
        lower(charge_type) AS charge_type,
        billable_quantity AS quantity
    FROM cost.invoice_lines
    WHERE
        NOT is_estimate
        AND subscription_id IS NOT NULL
        AND charge_start_on IS NOT NULL
        AND billable_quantity IS NOT NULL
        AND product_family NOT IN ('azure_plan', 'azure_legacy')
        AND lower(coalesce(charge_type, '')) <> 'customercredit'
        AND coalesce(credit_reason_code, '') = ''
),

-- How far the provider's documents reach; a month with rows that could not be read, and what follows it, proves no seat gone.
incomplete AS (
    SELECT DISTINCT
        coalesce(provider, 'microsoft') AS provider,
        upper(invoice_number) AS invoice_key
    FROM cost.invoice_proof
    WHERE proof_state = 'incomplete'
),

loaded AS (
    SELECT
        coalesce(line.provider, 'microsoft') AS provider,
        line.currency,
        max(line.billing_month) AS last_month,
        coalesce(max(line.billing_month) FILTER (WHERE incomplete.invoice_key IS NOT NULL), '') AS last_incomplete_month
    FROM cost.invoice_lines AS line
    LEFT JOIN incomplete
        ON coalesce(line.provider, 'microsoft') = incomplete.provider AND upper(line.invoice_number) = incomplete.invoice_key
    WHERE NOT line.is_estimate
    GROUP BY ALL
),

-- Days on which the lines may change the quantity: where one starts, and after the last day of one once a later month of its
-- provider is loaded, which would charge the seats on. A line of one day or without an end tells no end.
seat_days AS (
    SELECT
        customer_id,
        subscription_id,
        charge_start_on AS from_on
    FROM seats
    UNION
    SELECT
        seat.customer_id,
        seat.subscription_id,
        seat.charge_end_on + 1 AS from_on
    FROM seats AS seat
    INNER JOIN loaded ON seat.provider = loaded.provider AND seat.currency = loaded.currency
    WHERE
        seat.charge_end_on > seat.charge_start_on
        AND loaded.last_month > seat.billing_month
        AND loaded.last_month >= strftime(seat.charge_end_on + 1, '%Y-%m')
        AND loaded.last_incomplete_month < strftime(seat.charge_end_on + 1, '%Y-%m')
),

covering AS (
    SELECT
        seat_day.customer_id,
        seat_day.subscription_id,
        seat_day.from_on,
        cast(coalesce(sum(seat.quantity), 0) AS DECIMAL(38, 18)) AS quantity,
        coalesce(
            bool_or(
                seat.charge_type IN ('new', 'convert') AND seat.quantity > 0 AND seat.charge_start_on = seat_day.from_on
            ),
            FALSE
        ) AS is_new
    FROM seat_days AS seat_day
    LEFT JOIN seats AS seat
        ON
            seat_day.customer_id = seat.customer_id
            AND seat_day.subscription_id = seat.subscription_id
            AND seat_day.from_on BETWEEN seat.charge_start_on AND seat.charge_end_on
    GROUP BY ALL
),

from_provider_lines AS (
    SELECT
        customer_id,
        subscription_id,
        from_on,
        quantity AS quantity_at_start,
        quantity
    FROM covering
    UNION ALL
    SELECT
        customer_id,
        subscription_id,
        NULL AS from_on,
        CASE WHEN arg_min(is_new, from_on) THEN 0 ELSE arg_min(quantity, from_on) END AS quantity_at_start,
        CASE WHEN arg_min(is_new, from_on) THEN 0 ELSE arg_min(quantity, from_on) END AS quantity
    FROM covering
    GROUP BY ALL
),

told AS (
    SELECT
        customer_id,
        subscription_id,
        from_on,
        quantity_at_start,
        quantity,
        'changes' AS source,
        1 AS precedence
    FROM from_changes
    UNION ALL
    SELECT
        customer_id,
        subscription_id,
        from_on,
        quantity_at_start,
        quantity,
        'snapshot' AS source,
        2 AS precedence
    FROM from_snapshot
    UNION ALL
    SELECT
        customer_id,
        subscription_id,
        from_on,
        quantity_at_start,
        quantity,
        'provider_lines' AS source,
        3 AS precedence
    FROM from_provider_lines
)

SELECT
    customer_id,
    subscription_id,
    from_on,
    quantity_at_start,
    quantity,
    source
FROM told
QUALIFY precedence = min(precedence) OVER (PARTITION BY customer_id, subscription_id)
