-- Success and duration of requests. Requests that a person cancelled count neither as success nor as failure.
WITH durations AS (
    SELECT
        *,
        CASE
            WHEN state = 'succeeded' AND requested_at IS NOT NULL
                THEN greatest(0, date_diff('second', requested_at, finished_at))
        END AS seconds,
        CASE
            WHEN state = 'succeeded' AND sent_at IS NOT NULL THEN greatest(0, date_diff('second', sent_at, finished_at))
        END AS sent_seconds
    FROM provisioning.requests
),

counted AS (
    SELECT
        min(customer_id) AS customer_id,
        operation,
        count(*) AS requests,
        count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'failed' AND failure_class = 'technical') AS failed_technical,
        count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'pending') AS pending,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        quantile_disc(seconds, 0.5) AS median_seconds,
        max(seconds) AS longest_seconds,
        quantile_disc(sent_seconds, 0.5) AS median_sent_seconds
    FROM durations
    GROUP BY id_key(customer_id), operation
)

SELECT
    * EXCLUDE (median_seconds, longest_seconds, median_sent_seconds),
    CASE
        WHEN succeeded + failed > 0
            THEN
                CAST((2000000 * succeeded + succeeded + failed) // (2 * (succeeded + failed)) AS DECIMAL(14, 0))
                * CAST(0.0001 AS DECIMAL(4, 4))
    END AS success_percent,
    median_seconds,
    longest_seconds,
    median_sent_seconds
FROM counted
