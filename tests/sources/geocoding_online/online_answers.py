"""Answers in the words of Nominatim and geo.admin.ch; streets and houses are invented."""

from typing import Any

STREET, HOUSE_NUMBER, POSTCODE, TOWN = "Rue des Licornes", "12", "1205", "Genève"
ADDRESS = f"{STREET} {HOUSE_NUMBER}, {POSTCODE} {TOWN}"
LAT, LON = 46.1951, 6.1402


def nominatim_house(
    number: str | None = HOUSE_NUMBER,
    street: str | None = STREET,
    postcode: str | None = POSTCODE,
    town: str | None = TOWN,
    *,
    lat: float | str = LAT,
    lon: float | str = LON,
    osm_id: int = 4711,
    **changes: Any,
) -> dict[str, Any]:
    """A building with a number, or what ``changes`` make of it; a field that is None is left out."""
    address = {"house_number": number, "road": street, "city": town, "postcode": postcode, "country_code": "ch"}
    item: dict[str, Any] = {
        "place_id": 100 + osm_id,
        "osm_type": "way",
        "osm_id": osm_id,
        "lat": str(lat),
        "lon": str(lon),
        "class": "building",
        "type": "yes",
        "place_rank": 30,
        "importance": 0.0001,
        "addresstype": "building",
        "name": "",
        "display_name": f"{number}, {street}, {town}, {postcode}, Suisse",
        "boundingbox": [str(float(lat) - 1e-4), str(float(lat) + 1e-4), str(float(lon) - 1e-4), str(float(lon) + 1e-4)],
        "address": {name: value for name, value in address.items() if value is not None},
    }
    item.update(changes)
    return {name: value for name, value in item.items() if value is not None}


def nominatim_road(street: str = STREET, **changes: Any) -> dict[str, Any]:
    kind = {"class": "highway", "type": "residential", "place_rank": 26, "addresstype": "road", "name": street}
    return nominatim_house(None, street, **{**kind, **changes})


def nominatim_place(name: str, street: str | None = None, number: str | None = None, **changes: Any) -> dict[str, Any]:
    kind = {"class": "amenity", "type": "clinic", "addresstype": "amenity", "name": name}
    return nominatim_house(number, street, **{**kind, **changes})


def nominatim_town(name: str = TOWN, size: float = 0.005, **changes: Any) -> dict[str, Any]:
    box = [str(LAT - size), str(LAT + size), str(LON - size), str(LON + size)]
    kind = {
        "class": "boundary",
        "type": "administrative",
        "place_rank": 16,
        "addresstype": "town",
        "name": name,
        "boundingbox": box,
    }
    return nominatim_house(None, None, None, name, **{**kind, **changes})


def geoadmin_house(
    line: str = f"{STREET} {HOUSE_NUMBER}",
    postcode: str = POSTCODE,
    town: str = TOWN,
    commune: str = "geneve",
    *,
    lat: float = LAT,
    lon: float = LON,
    feature: str = "990001_0",
    **changes: Any,
) -> dict[str, Any]:
    """One result of the SearchServer; a field that is None is left out."""
    digits = "".join(char for char in line.rpartition(" ")[2] if char.isdigit())
    attrs = {
        "origin": "address",
        "featureId": feature,
        "label": f"{line} <b>{postcode} {town}</b>",
        "detail": f"{line} {postcode} {town} 6621 {commune} ch ge".lower(),
        "num": int(digits) if digits else 0,
        "lat": lat,
        "lon": lon,
        "x": 1117000.0,
        "y": 2500000.0,
        "rank": 7,
        "zoomlevel": 10,
    }
    attrs.update(changes)
    return {"id": 1, "weight": 1, "attrs": {name: value for name, value in attrs.items() if value is not None}}


def geoadmin_answer(*results: dict[str, Any]) -> dict[str, Any]:
    return {"results": list(results)}
