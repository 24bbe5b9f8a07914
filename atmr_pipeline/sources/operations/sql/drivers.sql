-- The fleet. Of a driver's name only the two first letters leave the database.
SELECT
    d.id AS driver_id,
    d.company_id AS company_id,
    SUBSTR(TRIM(u.first_name), 1, 1) AS first_letter,
    SUBSTR(TRIM(u.last_name), 1, 1) AS last_letter,
    CAST(d.driver_type AS VARCHAR(40)) AS driver_type,
    d.is_active AS is_active,
    d.is_available AS is_available,
    d.weekly_hours AS weekly_hours,
    d.latitude AS lat,
    d.longitude AS lon,
    d.last_position_update AS position_at
FROM driver AS d
LEFT JOIN "user" AS u ON u.id = d.user_id
ORDER BY d.id
