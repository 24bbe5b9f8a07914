-- Plans of the local days from first_day to before after_day.
SELECT
    r.id AS dispatch_run_id,
    r.company_id AS company_id,
    r.day AS day,
    CAST(r.status AS VARCHAR(40)) AS status,
    r.started_at AS started_at,
    r.completed_at AS completed_at
FROM dispatch_run AS r
WHERE r.day >= :first_day AND r.day < :after_day
ORDER BY r.day, r.id
