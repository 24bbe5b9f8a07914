"""The hybrid policy: the search's value of each candidate plus a learned residual; and what it is trained on."""

import numpy as np

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.dispatch.running.day import commit, copied, cost_of, decision_min, is_gone, start
from atmr_pipeline.dispatch.running.features import candidate_features
from atmr_pipeline.dispatch.running.prepared import prepare
from atmr_pipeline.dispatch.running.residual import residual
from atmr_pipeline.dispatch.running.search import candidate_values
from atmr_pipeline.dispatch.running.view import look

WIDEST_REGRET = 60.0
"""Who is expected to cost this much more than the best is no candidate, in training or after: nothing is learned of
those, and a network is not to be asked about what it has never seen."""


@compiled
def evaluate(view, net, rounds):  # type: ignore[no-untyped-def]
    """The search's values and plans, the network's rows, and values with the residual; see ``candidate_values``."""
    day = prepare(view)
    values, plans = candidate_values(view, day, rounds)
    values[values > values.min() + WIDEST_REGRET] = np.inf
    rows = candidate_features(day, view.now_min, values, plans)
    return values, plans, rows, values + residual(net, rows, values)


@compiled
def decide(view, net, rounds):  # type: ignore[no-untyped-def]
    """The driver of the first booking, -1 for nobody, and the plan of all (n,)."""
    _, plans, _, corrected = evaluate(view, net, rounds)
    best = corrected.argmin()
    return plans[best, 0], plans[best]


@compiled
def note(run, view, plan):  # type: ignore[no-untyped-def]
    """Remember who is meant to take what is still open."""
    for index in range(plan.size):
        run.plan[view.ranks[index]] = plan[index]


@compiled
def finish(day, real, run, first, terms, sigma, net, rounds):  # type: ignore[no-untyped-def]
    """Decide every booking from rank ``first`` on by the policy; cost of the day. ``terms`` are those of ``Noise``."""
    for rank in range(first, day.bookings.shape[0]):
        now = decision_min(day, terms[0], rank)
        if not is_gone(real, run, rank, now):
            view = look(day, real, run, rank, now, sigma)
            driver, plan = decide(view, net, rounds)
            note(run, view, plan)
            commit(day, real, run, rank, driver, now, terms[1])
    return cost_of(day, run)


@compiled
def live_candidates(  # type: ignore[no-untyped-def]
    day, real, plan, terms, sigma, net, rounds, chances, out_rows, out_prior, out_lived
):
    """One day, and at every decision what each candidate would have led to with the same chance.

    Common random numbers: two candidates differ in cost only by what the decision changes. A decision
    with one candidate is left out. Where ``chances``
    (B,) is below 1 the day goes on with any candidate, as that number says.

    Returns
    -------
    int
        How many decisions were filled into ``out_rows`` (B, D + 1, F), ``out_prior`` and ``out_lived`` (B, D + 1);
        both are infinite where there is no candidate.
    """
    run = start(day)
    run.plan[:] = plan
    filled = 0
    for rank in range(day.bookings.shape[0]):
        now = decision_min(day, terms[0], rank)
        if is_gone(real, run, rank, now):
            continue
        view = look(day, real, run, rank, now, sigma)
        values, plans, rows, corrected = evaluate(view, net, rounds)
        tried = np.flatnonzero(values < np.inf)
        chosen = corrected.argmin()
        if tried.size > 1:
            out_rows[filled], out_prior[filled], out_lived[filled] = rows, values, np.inf
            for row in tried:
                other = copied(run)
                note(other, view, plans[row])
                commit(day, real, other, rank, plans[row, 0], now, terms[1])
                out_lived[filled, row] = finish(day, real, other, rank + 1, terms, sigma, net, 0)
            filled += 1
            if chances[rank] < 1.0:
                chosen = tried[int(chances[rank] * tried.size)]
        note(run, view, plans[chosen])
        commit(day, real, run, rank, plans[chosen, 0], now, terms[1])
    return filled
