-- Every row of a file is staged or quarantined, and the staged Parquet files hold as many rows as were counted.
WITH stored AS (
    SELECT
        regexp_extract(file_name, '([0-9a-f]{64})\.parquet$', 1) AS file_sha256,
        sum(num_rows) AS rows_stored
    FROM staged_parquet
    GROUP BY ALL
),

set_aside AS (
    SELECT
        file_sha256,
        count(DISTINCT source_row) AS rows_set_aside
    FROM meta.quarantine
    GROUP BY ALL
)

SELECT
    files.source_file AS subject,
    CAST(files.rows_total AS VARCHAR) || ' rows in the file' AS expected,
    coalesce(stored.rows_stored, 0) || ' staged and ' || coalesce(set_aside.rows_set_aside, 0) || ' quarantined' AS found
FROM meta.files
LEFT JOIN stored ON files.file_sha256 = stored.file_sha256
LEFT JOIN set_aside ON files.file_sha256 = set_aside.file_sha256
WHERE
    files.status = 'staged'
    AND (
        files.rows_total <> coalesce(stored.rows_stored, 0) + coalesce(set_aside.rows_set_aside, 0)
        OR files.rows_total <> files.rows_staged + files.rows_quarantined
    )
ORDER BY abs(files.rows_total - files.rows_staged - files.rows_quarantined) DESC, subject
