SELECT
    entry.kind,
    entry.name,
    entry.street,
    entry.number,
    area.postcode,
    area.locality,
    area.commune,
    entry.lat,
    entry.lon,
    source.name
FROM entry
JOIN area ON area.id = entry.area
JOIN source ON source.id = entry.source
ORDER BY entry.id
