"""A champion that moved answers alarms, whoever moved it."""

from datetime import date

from atmr_pipeline.promotion.registry import ModelRegistry
from atmr_pipeline.state.drift_answers import answer_by_promotion


def answer_alarms(registry: ModelRegistry, version_id: str) -> list[str]:
    """Close the alarms that a delay model, now the champion, has learned from; none where it does not say from when on.

    Returns
    -------
    list of str
        Ids of the alarms.
    """
    metrics = registry.get(version_id).metrics
    window, recipe = metrics.get("window"), metrics.get("training")
    if not window:
        return []
    learned = None if recipe is None else {date.fromisoformat(each["since"]) for each in recipe["level_changes"]}
    return answer_by_promotion(
        registry.store,
        version_id,
        learned_up_to=date.fromisoformat(window["holdout_last_day"]),
        learned_changes=learned,
    )
