-- The companies and where their drivers start.
SELECT
    c.id AS company_id,
    c.latitude AS depot_lat,
    c.longitude AS depot_lon,
    c.dispatch_enabled AS dispatch_enabled
FROM company AS c
ORDER BY c.id
