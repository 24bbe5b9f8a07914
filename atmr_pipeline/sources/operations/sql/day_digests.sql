-- Of each local day the number of rows, a sum over their ids that tells which, and the time of the latest change. An id
-- enters as its square modulo a prime: a plain sum would not notice two rows that change places with two others, and a
-- sum of these fits 64 bits up to four thousand million rows a day.
SELECT
    'booking' AS table_name,
    SUBSTR(CAST(b.scheduled_time AS VARCHAR(32)), 1, 10) AS service_day,
    COUNT(*) AS row_count,
    CAST(
        SUM((CAST(b.id AS BIGINT) % 2147483647) * (CAST(b.id AS BIGINT) % 2147483647) % 2147483629) AS BIGINT
    ) AS id_sum,
    MAX(COALESCE(b.updated_at, b.created_at)) AS changed_at
FROM booking AS b
WHERE b.scheduled_time >= :first_day AND b.scheduled_time < :after_day
GROUP BY SUBSTR(CAST(b.scheduled_time AS VARCHAR(32)), 1, 10)
UNION ALL
SELECT
    'assignment' AS table_name,
    SUBSTR(CAST(b.scheduled_time AS VARCHAR(32)), 1, 10) AS service_day,
    COUNT(*) AS row_count,
    CAST(
        SUM((CAST(a.id AS BIGINT) % 2147483647) * (CAST(a.id AS BIGINT) % 2147483647) % 2147483629) AS BIGINT
    ) AS id_sum,
    MAX(COALESCE(a.updated_at, a.created_at)) AS changed_at
FROM assignment AS a
JOIN booking AS b ON b.id = a.booking_id
WHERE b.scheduled_time >= :first_day AND b.scheduled_time < :after_day
GROUP BY SUBSTR(CAST(b.scheduled_time AS VARCHAR(32)), 1, 10)
UNION ALL
SELECT
    'dispatch_run' AS table_name,
    SUBSTR(CAST(r.day AS VARCHAR(32)), 1, 10) AS service_day,
    COUNT(*) AS row_count,
    CAST(
        SUM((CAST(r.id AS BIGINT) % 2147483647) * (CAST(r.id AS BIGINT) % 2147483647) % 2147483629) AS BIGINT
    ) AS id_sum,
    MAX(COALESCE(r.completed_at, r.started_at)) AS changed_at
FROM dispatch_run AS r
WHERE r.day >= :first_day AND r.day < :after_day
GROUP BY SUBSTR(CAST(r.day AS VARCHAR(32)), 1, 10)
