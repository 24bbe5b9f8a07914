import pytest
from hypothesis import given
from hypothesis import strategies as st

from atmr_pipeline.sources.geocoding.online.query import LONGEST_QUERY, query_text
from atmr_pipeline.sources.geocoding.words import fold


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Rue des Licornes 12, 1205 Genève", "Rue des Licornes 12, 1205 Genève"),
        ("Clinique des Nuages   Avenue du Dragon-Bleu 1   1227 Carouge", "Avenue du Dragon-Bleu 1, 1227 Carouge"),
        ("Clinique des Nuages Avenue du Dragon-Bleu 1 1227 Carouge", "Avenue du Dragon-Bleu 1, 1227 Carouge"),
        ("Clinique des Nuages\u00a0· Av. du Dragon 3/5\n1227 Carouge", "Av. du Dragon 3/5, 1227 Carouge"),
        ("1205 Genève, Rue des Licornes 12", "Rue des Licornes 12, 1205 Genève"),
        ("Rue des Licornes 12 bis - 1205 Genève", "Rue des Licornes 12 bis, 1205 Genève"),
        ("Ch. de l'Arc 4 A, 1213 Petit-Lancy", "Ch. de l'Arc 4 A, 1213 Petit-Lancy"),
        ("Rue du 31 Décembre 8, 1207 Genève", "Rue du 31 Décembre 8, 1207 Genève"),
        ("Rue du 31-Décembre 8, 1207 Genève", "Rue du 31-Décembre 8, 1207 Genève"),
        ("14 rue des Licornes 74100 Annemasse", "14 rue des Licornes, 74100 Annemasse"),
        ("Rue des Licornes 12, Carouge", "Rue des Licornes 12, Carouge"),
        ("Rue des Licornes 12 Carouge", "Rue des Licornes 12, Carouge"),
        ("Rue des Licornes 12", "Rue des Licornes 12"),
        ("Clinique des Nuages, Carouge", "Clinique des Nuages, Carouge"),
        ("Rue des Licornes, 1205 Genève", "Rue des Licornes, 1205 Genève"),
        ("CH-1205 Genève", "CH-1205 Genève"),
    ],
)
def test_where_it_is_is_sent(written, sent):
    assert query_text(written) == fold(sent)


@pytest.mark.parametrize(
    "written",
    [
        "Mme Fictive Exemple, Rue des Licornes 12, 1205 Genève",
        "Monsieur Exemple\nRue des Licornes 12\n1205 Genève",
        "c/o Exemple, Rue des Licornes 12, 1205 Genève",
        "Rue des Licornes 12 c/o Fictive Exemple 1205 Genève",
        "Rue des Licornes 12, chez M. Exemple, 1205 Genève",
        "Rue des Licornes 12, 1205 Genève, tél. 022 555 01 02",
        "Rue des Licornes 12, 1205 Genève, 079 555 01 02",
        "Rue des Licornes 12, 1205 Genève +41 79 555 01 02",
        "Rue des Licornes 12, code 1234A, 1205 Genève",
        "Rue des Licornes 12, digicode: A1234, 1205 Genève",
        "Rue des Licornes 12, 3e étage, 1205 Genève (sonner chez Exemple)",
        "Rue des Licornes 12, interphone Exemple, 1205 Genève",
        "EMS Exemple, chambre 12, Rue des Licornes 12, 1205 Genève",
        "Rue des Licornes 12, 1205 Genève, patiente en fauteuil, Exemple",
    ],
)
def test_who_lives_there_is_not(written):
    assert query_text(written) == "rue des licornes 12, 1205 geneve"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Mme Exemple, Clinique des Nuages, Carouge", "Clinique des Nuages, Carouge"),
        ("Clinique des Nuages, 2e étage, Carouge, tel 022 555 01 02", "Clinique des Nuages, Carouge"),
        ("M. Exemple", ""),
        ("", ""),
        ("  ,; \n", ""),
    ],
)
def test_a_place_is_sent_without_persons_and_floors(written, sent):
    assert query_text(written) == fold(sent)


@given(st.text(max_size=400))
def test_any_text_gives_a_short_query(text):
    assert len(query_text(text)) <= LONGEST_QUERY


@given(st.sampled_from(["", "Clinique des Nuages, ", "1205 Genève; "]), st.integers(1, 199))
def test_a_number_survives(before, number):
    assert f"rue des licornes {number}" in query_text(f"{before}Rue des Licornes {number}, 1205 Genève")
