"""The evaluation of a delay model for people: tables, pictures, and the model card.

Pictures are imported from :mod:`.pictures` by whoever draws them, since they need matplotlib.
"""

from atmr_pipeline.models.delay.report.build import EvaluationReport, evaluation_report
from atmr_pipeline.models.delay.report.card import card_path, model_card, write_model_card
from atmr_pipeline.models.delay.report.comparison import floor_figures

__all__ = [
    "EvaluationReport",
    "card_path",
    "evaluation_report",
    "floor_figures",
    "model_card",
    "write_model_card",
]
