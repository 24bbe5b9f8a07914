SELECT
    street.name,
    house.number,
    area.postcode,
    area.locality,
    area.commune,
    house.lat,
    house.lon,
    source.name
FROM house
JOIN street ON street.id = house.street
JOIN area ON area.id = house.area
JOIN source ON source.id = house.source
WHERE house.street = ? AND house.number_key = ?
ORDER BY house.position
