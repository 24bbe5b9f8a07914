SELECT group_key, number_key, input, kind, name, street, number, postcode, locality, commune, lat, lon, source
FROM staged
WHERE class = :class
ORDER BY group_key, number_key, id
