-- NULLs in columns that must have none, one output column for each, named table__column.
SELECT *
FROM (
    SELECT
        COUNT(*) - COUNT(company_id) AS booking__company_id,
        COUNT(*) - COUNT(is_return) AS booking__is_return,
        COUNT(*) - COUNT(is_round_trip) AS booking__is_round_trip,
        COUNT(*) - COUNT(is_urgent) AS booking__is_urgent,
        COUNT(*) - COUNT(created_at) AS booking__created_at
    FROM booking
) AS bookings
CROSS JOIN (
    SELECT
        COUNT(*) - COUNT(booking_id) AS assignment__booking_id,
        COUNT(*) - COUNT(created_at) AS assignment__created_at
    FROM assignment
) AS assignments
CROSS JOIN (
    SELECT
        COUNT(*) - COUNT(company_id) AS dispatch_run__company_id,
        COUNT(*) - COUNT(day) AS dispatch_run__day
    FROM dispatch_run
) AS runs
CROSS JOIN (
    SELECT
        COUNT(*) - COUNT(company_id) AS driver__company_id,
        COUNT(*) - COUNT(is_active) AS driver__is_active,
        COUNT(*) - COUNT(is_available) AS driver__is_available
    FROM driver
) AS drivers
CROSS JOIN (
    SELECT
        COUNT(*) - COUNT(company_id) AS driver_shift__company_id,
        COUNT(*) - COUNT(driver_id) AS driver_shift__driver_id
    FROM driver_shift
) AS shifts
