-- How much of the differences has a cause that rows prove, by amount: the headline of the reconciliation.
SELECT
    row_.service_month,
    row_.currency,
    count(*) FILTER (WHERE row_.status = 'matched') AS matched_count,
    count(*) FILTER (WHERE row_.status = 'explained') AS explained_count,
    count(*) FILTER (WHERE row_.status = 'action_needed') AS action_needed_count,
    count(*) FILTER (WHERE row_.status = 'unexplained') AS unexplained_count,
    CAST(coalesce(max(parts.absolute_amount), 0) AS DECIMAL(38, 10)) AS absolute_amount,
    CAST(coalesce(max(parts.explained_amount), 0) AS DECIMAL(38, 10)) AS explained_amount,
    CAST(coalesce(max(parts.unexplained_amount), 0) AS DECIMAL(38, 10)) AS unexplained_amount,
    CAST(coalesce(max(parts.open_amount), 0) AS DECIMAL(38, 10)) AS open_amount,
    CASE
        WHEN max(parts.absolute_amount) > 0 THEN margin_percent_of(max(parts.explained_amount), max(parts.absolute_amount))
        ELSE CAST(100 AS DECIMAL(18, 4))
    END AS explained_percent
FROM reconciliation.revenue_vs_cost AS row_
LEFT JOIN (
    SELECT
        service_month,
        currency,
        sum(abs(amount)) AS absolute_amount,
        sum(abs(amount)) FILTER (WHERE cause <> 'unexplained') AS explained_amount,
        sum(abs(amount)) FILTER (WHERE cause = 'unexplained') AS unexplained_amount,
        sum(abs(amount)) FILTER (
            WHERE list_contains($starred, cause) AND resolution IS DISTINCT FROM 'accepted'
        ) AS open_amount
    FROM reconciliation.differences
    GROUP BY service_month, currency
) AS parts ON row_.service_month = parts.service_month AND row_.currency = parts.currency
GROUP BY row_.service_month, row_.currency
