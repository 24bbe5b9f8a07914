-- Local days touched by a booking, assignment or plan that changed after since. A row never updated changed when it
-- was created; a plan without any time cannot show a change, so it always counts as changed. Days are not limited to a
-- range here: an index on updated_at should answer, not one on scheduled_time.
SELECT SUBSTR(CAST(b.scheduled_time AS VARCHAR(32)), 1, 10) AS service_day
FROM booking AS b
WHERE b.scheduled_time IS NOT NULL
    AND (b.updated_at > :since OR (b.updated_at IS NULL AND b.created_at > :since))
UNION
SELECT SUBSTR(CAST(b.scheduled_time AS VARCHAR(32)), 1, 10) AS service_day
FROM assignment AS a
JOIN booking AS b ON b.id = a.booking_id
WHERE b.scheduled_time IS NOT NULL
    AND (a.updated_at > :since OR (a.updated_at IS NULL AND a.created_at > :since))
UNION
SELECT SUBSTR(CAST(r.day AS VARCHAR(32)), 1, 10) AS service_day
FROM dispatch_run AS r
WHERE r.day IS NOT NULL
    AND (r.started_at > :since OR r.completed_at > :since OR (r.started_at IS NULL AND r.completed_at IS NULL))
