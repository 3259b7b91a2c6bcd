-- Customers without an accepted agreement. What was attested from here counts from the moment Microsoft took it down.
WITH subscriptions AS (
    SELECT
        id_key(customer_id) AS customer,
        count(*) FILTER (WHERE coalesce(lower(status), 'active') = 'active') AS active_subscriptions
    FROM partner_center.subscriptions
    GROUP BY customer
),

blocked AS (
    SELECT
        id_key(customer_id) AS customer,
        count(*) AS blocked_requests,
        sum(quantity_requested) AS blocked_quantity,
        min(requested_at) AS first_blocked_at
    FROM provisioning.requests
    WHERE state = 'waiting' AND code = 'agreement_missing'
    GROUP BY customer
)

SELECT
    customers.customer_id,
    customers.name,
    tenants.account_id,
    CASE
        WHEN acceptances.customer_id IS NULL THEN 'missing'
        WHEN coalesce(acceptances.confirmed, FALSE) THEN 'to_attest'
        ELSE 'to_confirm'
    END AS acceptance,
    coalesce(subscriptions.active_subscriptions, 0) AS active_subscriptions,
    coalesce(blocked.blocked_requests, 0) AS blocked_requests,
    coalesce(blocked.blocked_quantity, 0) AS blocked_quantity,
    blocked.first_blocked_at
FROM partner_center.customers AS customers
LEFT JOIN reference.account_tenants AS tenants ON id_key(customers.customer_id) = id_key(tenants.customer_id)
LEFT JOIN reference.agreement_acceptances AS acceptances
    ON id_key(customers.customer_id) = id_key(acceptances.customer_id)
LEFT JOIN subscriptions ON id_key(customers.customer_id) = subscriptions.customer
LEFT JOIN blocked ON id_key(customers.customer_id) = blocked.customer
LEFT JOIN attested_customers ON id_key(customers.customer_id) = attested_customers.customer
WHERE customers.mca_accepted_on IS NULL AND attested_customers.customer IS NULL
