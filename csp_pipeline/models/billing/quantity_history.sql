-- The quantity of every subscription over time: the change log, else the snapshot, else the provider's lines, by which seats end
-- after their last covered day once the provider's document of that kind for the following days is loaded whole.
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
        source_kind,
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

-- The months in which the provider's documents of a kind are loaded whole: of legacy Azure, say, or of a distributor, no document
-- says anything of new-commerce seats. What could not be read of a document without any line may be of every kind.
incomplete AS (
    SELECT DISTINCT
        coalesce(proof.provider, 'microsoft') AS provider,
        proof.currency,
        proof.billing_month,
        line.source_kind
    FROM cost.invoice_proof AS proof
    LEFT JOIN cost.invoice_lines AS line
        ON
            coalesce(proof.provider, 'microsoft') = coalesce(line.provider, 'microsoft')
            AND upper(proof.invoice_number) = upper(line.invoice_number)
            AND NOT line.is_estimate
    WHERE proof.proof_state = 'incomplete'
),

loaded AS (
    SELECT DISTINCT
        coalesce(line.provider, 'microsoft') AS provider,
        line.currency,
        line.source_kind,
        cast(line.billing_month || '-01' AS DATE) AS month_on
    FROM cost.invoice_lines AS line
    ANTI JOIN incomplete
        ON
            coalesce(line.provider, 'microsoft') = incomplete.provider
            AND line.currency = incomplete.currency
            AND line.billing_month = incomplete.billing_month
            AND coalesce(incomplete.source_kind, line.source_kind) IS NOT DISTINCT FROM line.source_kind
    WHERE
        NOT line.is_estimate
        AND lower(coalesce(line.charge_type, '')) <> 'customercredit'
        AND coalesce(line.credit_reason_code, '') = ''
),

-- After the last covered day the seats would stand in the document of the next month (due_on). A line of one day or without an
-- end tells no end.
ends AS (
    SELECT DISTINCT
        customer_id,
        subscription_id,
        provider,
        currency,
        source_kind,
        cast(charge_end_on + 1 AS DATE) AS ended_on,
        cast(
            greatest(
                date_trunc('month', charge_end_on + 1), cast(billing_month || '-01' AS DATE) + INTERVAL 1 MONTH
            ) AS DATE
        ) AS due_on
    FROM seats
    WHERE charge_end_on > charge_start_on
),

-- The first month that is loaded whole proves the end; by as many months as it comes later than the one that was due, the seats
-- go on, of which nothing is known.
proven_ends AS (
    SELECT
        ended.customer_id,
        ended.subscription_id,
        cast(ended.ended_on + to_months(cast(date_diff('month', ended.due_on, min(loaded.month_on)) AS INTEGER)) AS DATE) AS from_on
    FROM ends AS ended
    INNER JOIN loaded
        ON
            ended.provider = loaded.provider
            AND ended.currency = loaded.currency
            AND ended.source_kind IS NOT DISTINCT FROM loaded.source_kind
            AND ended.due_on <= loaded.month_on
    GROUP BY ended.customer_id, ended.subscription_id, ended.provider, ended.currency, ended.source_kind, ended.ended_on, ended.due_on
),

-- Days on which the lines may change the quantity.
seat_days AS (
    SELECT
        customer_id,
        subscription_id,
        charge_start_on AS from_on
    FROM seats
    UNION
    SELECT
        customer_id,
        subscription_id,
        from_on
    FROM proven_ends
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
