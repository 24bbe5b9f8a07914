-- Shifts that start in the local days from first_day to before after_day; start and end are wall clocks of their own
-- time zone.
SELECT
    s.id AS shift_id,
    s.company_id AS company_id,
    s.driver_id AS driver_id,
    s.start_local AS start_local,
    s.end_local AS end_local,
    s.timezone AS timezone,
    CAST(s.status AS VARCHAR(40)) AS status
FROM driver_shift AS s
WHERE s.start_local >= :first_day AND s.start_local < :after_day
ORDER BY s.id
