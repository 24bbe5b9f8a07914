"""Towns around the canton whose streets share names with Geneva's: an address there is not looked up in Geneva."""

_VAUD = """nyon, gland, rolle, morges, lausanne, vevey, montreux, coppet, founex, mies, commugny, tannay, prangins,
    crans pres celigny, chavannes de bogis, renens, aubonne, aigle, yverdon, yverdon les bains"""
_FRANCE = """france, divonne les bains, divonne, gex, ferney voltaire, ferney, saint genis pouilly, prevessin moens,
    ornex, cessy, thoiry, collonges, saint julien en genevois, archamps, bossey, collonges sous saleve, etrembieres,
    annemasse, ambilly, gaillard, ville la grand, veigy foncenex, douvaine, thonon les bains, thonon, evian les bains,
    evian, annecy, bonneville, cluses, la roche sur foron, reignier, viry, valleiry, vulbens, bellegarde, lyon,
    chambery"""
_ELSEWHERE = "fribourg, berne, bern, zurich, bale, basel, sion, sierre, martigny, neuchatel"

NEIGHBOUR_TOWNS = frozenset(" ".join(town.split()) for text in (_VAUD, _FRANCE, _ELSEWHERE) for town in text.split(","))
"""Folded names; one that a directory knows is no neighbour for it."""
