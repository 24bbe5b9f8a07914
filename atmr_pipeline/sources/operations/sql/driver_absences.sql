-- When drivers are away; start and end are wall clocks. Why is personal, and is not selected.
SELECT
    u.driver_id AS driver_id,
    u.start_local AS start_local,
    u.end_local AS end_local
FROM driver_unavailability AS u
ORDER BY u.driver_id, u.start_local, u.end_local
