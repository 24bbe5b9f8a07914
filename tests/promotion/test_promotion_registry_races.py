"""Two real processes at the same alias at the same moment: one of them wins, every time, on both databases."""

import multiprocessing

import pytest
from promotion_workers import REFUSED, WON, race_on_command, register_at_once
from registry_cases import aliases, model_directory, promote, register

from atmr_pipeline.domain.errors import ModelIntegrityError
from atmr_pipeline.promotion.registry import ModelRegistry

RACES = 100


class Racers:
    """Two processes that live as long as the module: starting one takes longer than a hundred races."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.barrier = context.Barrier(2)
        ends = [context.Pipe() for _ in range(2)]
        self.pipes = [ours for ours, _ in ends]
        self.processes = [context.Process(target=race_on_command, args=(self.barrier, theirs)) for _, theirs in ends]
        for process in self.processes:
            process.start()

    def race(self, registry: ModelRegistry, first: list[tuple], second: list[tuple]) -> list[tuple[str, str]]:
        """What came of each pair of moves."""
        url = registry.store.url.render_as_string(hide_password=False)
        for pipe, moves in zip(self.pipes, (first, second), strict=True):
            pipe.send((url, registry.store.schema, registry.models_dir, moves))
        for pipe in self.pipes:
            assert pipe.poll(timeout=120), "a racer never answered"
        return list(zip(*(pipe.recv() for pipe in self.pipes), strict=True))

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(timeout=60)
        assert [process.exitcode for process in self.processes] == [0, 0]


@pytest.fixture(scope="module")
def racers():
    both = Racers()
    yield both
    both.close()


def one_winner_each(outcomes: list[tuple[str, str]]) -> bool:
    return [sorted(pair) for pair in outcomes] == [[REFUSED, WON]] * RACES


def champion_moves(registry: ModelRegistry):
    return [event for event in registry.history("delay") if event.alias == "champion"]


def assert_unbroken(registry: ModelRegistry) -> None:
    """Each move left the champion that the one before had made, under the next number."""
    moves = champion_moves(registry)
    assert [move.seq for move in moves] == list(range(1, len(moves) + 1))
    assert [move.from_version for move in moves[1:]] == [move.to_version for move in moves[:-1]]
    champion = registry.alias("delay")
    assert (champion.version_id, champion.seq) == (moves[-1].to_version, moves[-1].seq)


def test_two_promotions_give_one_winner_each_time(registry, tmp_path, racers):
    teams = [[register(registry, tmp_path, f"{team}{n}") for n in range(2)] for team in "ab"]
    outcomes = racers.race(registry, *([("promote", *team)] * RACES for team in teams))
    assert one_winner_each(outcomes)
    winners = [teams[pair.index(WON)] for pair in outcomes]
    moves = champion_moves(registry)
    assert len(moves) == RACES
    assert all(move.to_version in team for move, team in zip(moves, winners, strict=True))
    assert_unbroken(registry)
    assert aliases(registry) == (moves[-1].to_version, moves[-2].to_version)
    anchored = [event.to_version for event in registry.history("delay") if event.alias == "anchor"]
    assert anchored == [moves[0].to_version]


def test_a_promotion_and_a_rollback_give_one_winner_each_time(registry, tmp_path, racers):
    versions = [register(registry, tmp_path, name) for name in "abcd"]
    for version in versions:
        promote(registry, version)
    outcomes = racers.race(registry, [("promote", *versions)] * RACES, [("rollback",)] * RACES)
    assert one_winner_each(outcomes)
    actions = ["promoted" if pair[0] == WON else "rolled_back" for pair in outcomes]
    assert [move.action for move in champion_moves(registry)][len(versions) :] == actions
    assert_unbroken(registry)


def test_a_promotion_and_a_deletion_give_one_winner_each_time(registry, tmp_path, racers):
    versions = [register(registry, tmp_path, f"v{n}") for n in range(RACES)]
    outcomes = racers.race(registry, [("promote", v) for v in versions], [("delete", v) for v in versions])
    assert one_winner_each(outcomes)
    promoted = [version for version, (won, _) in zip(versions, outcomes, strict=True) if won == WON]
    assert [version.version_id for version in registry.list_versions("delay")] == promoted
    assert [registry.path(version).name for version in promoted] == promoted
    for deleted in set(versions) - set(promoted):
        assert not (registry.models_dir / "delay" / deleted).exists()
        with pytest.raises(ModelIntegrityError):
            registry.path(deleted)
    # A promotion may have won every race, or a deletion: whoever did, no alias names a version that is gone.
    assert {state.version_id for state in registry.aliases("delay").values()} <= set(promoted)


def test_two_challengers_give_one_winner_each_time(registry, tmp_path, racers):
    promote(registry, register(registry, tmp_path, "champion"))
    teams = [[register(registry, tmp_path, f"{team}{n}") for n in range(2)] for team in "ab"]
    assert one_winner_each(racers.race(registry, *([("point", *team)] * RACES for team in teams)))
    moves = [event for event in registry.history("delay") if event.alias == "challenger"]
    assert [move.seq for move in moves] == list(range(1, RACES + 1))
    assert [move.from_version for move in moves[1:]] == [move.to_version for move in moves[:-1]]


def test_processes_registering_the_same_model_agree(registry, tmp_path):
    directory = model_directory(tmp_path, "a")
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    url = registry.store.url.render_as_string(hide_password=False)
    arguments = (url, registry.store.schema, registry.models_dir, directory, barrier, results)
    processes = [context.Process(target=register_at_once, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    versions = {results.get(timeout=100) for _ in processes}
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(versions) == 1
    assert registry.path(versions.pop()).is_dir()
    assert len(registry.history("delay")) == 1
    assert len(list((tmp_path / "models" / "delay").iterdir())) == 1
