-- Label of every assignment, or the first reason why it has none.
SELECT
    a.assignment_id,
    a.booking_id,
    a.driver_id,
    b.company_id,
    b.service_day,
    d.decided_at,
    a.actual_dropoff_at AS known_at,
    (epoch_us(a.actual_pickup_at) - epoch_us(b.scheduled_at)) / 60e6 AS delay_min,
    CASE
        WHEN b.booking_id IS NULL THEN 'booking_missing'
        WHEN a.status = 'CANCELLED' OR b.status = 'CANCELED' THEN 'cancelled'
        WHEN a.status = 'NO_SHOW' THEN 'no_show'
        WHEN a.status = 'REASSIGNED' THEN 'reassigned'
        WHEN b.scheduled_at IS NULL THEN 'scheduled_time_unknown'
        WHEN a.actual_pickup_at IS NULL THEN 'pickup_unknown'
        WHEN a.actual_dropoff_at IS NULL THEN 'dropoff_unknown'
        WHEN a.actual_dropoff_at <= a.actual_pickup_at THEN 'dropoff_before_pickup'
        WHEN d.decided_at >= a.actual_pickup_at THEN 'decided_after_pickup'
        WHEN abs(epoch_us(a.actual_pickup_at) - epoch_us(b.scheduled_at)) > $implausible_delay_h * 3600e6 THEN 'implausible_delay'
    END AS excluded_reason
FROM assignments AS a
JOIN decisions AS d USING (assignment_id)
LEFT JOIN bookings AS b ON b.booking_id = a.booking_id
ORDER BY d.decided_at, a.assignment_id
