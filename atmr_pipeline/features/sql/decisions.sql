-- When each assignment was decided: with its plan, or by itself where it came after the plan. A plan is decided as a
-- whole: the order in which its rows were written says nothing about who knew what.
SELECT
    a.assignment_id,
    a.booking_id,
    a.driver_id,
    CASE
        -- A plan that was completed after the pickup was due cannot be what sent the driver there, and a row older than
        -- the plan's start was not written by it: the source keeps one run a day, and a second one overwrites the first.
        WHEN r.status = 'COMPLETED' AND r.started_at <= a.created_at
            AND r.completed_at > a.created_at AND r.completed_at < b.scheduled_at
        THEN r.completed_at
        ELSE a.created_at
    END AS decided_at
FROM assignments AS a
LEFT JOIN bookings AS b USING (booking_id)
LEFT JOIN dispatch_runs AS r ON r.dispatch_run_id = a.dispatch_run_id
ORDER BY decided_at, a.assignment_id
