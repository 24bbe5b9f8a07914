"""The exploratory report as one HTML file: no script, no network, everything escaped, pictures inside.

It opens from a mail or a shared folder on any machine; its content policy forbids the browser to load anything.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from atmr_pipeline.domain.files import write_atomically
from atmr_pipeline.monitoring.exploration.explore import DelayExploration
from atmr_pipeline.monitoring.exploration.findings import findings
from atmr_pipeline.monitoring.exploration.report_sections import sections

TEMPLATE = "report.html"


def write_report(tables: DelayExploration, pictures: Mapping[str, bytes], path: Path) -> None:
    """Write :func:`render_report` to ``path``, whole or not at all.

    Parameters
    ----------
    tables : DelayExploration
    pictures : mapping of str to bytes
        Of :func:`~atmr_pipeline.monitoring.exploration.pictures.exploration_pictures`.
    path : Path
        An HTML file; its folder is created.
    """
    text = render_report(tables, pictures)
    write_atomically(path, lambda hidden: hidden.write_text(text, encoding="utf-8"))


def render_report(tables: DelayExploration, pictures: Mapping[str, bytes]) -> str:
    """The report as HTML. The same tables and pictures give the same text: it holds no time of its making."""
    environment = Environment(
        loader=PackageLoader("atmr_pipeline.monitoring.exploration", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        findings=findings(tables),
        sections=sections(tables),
        pictures={name: base64.b64encode(content).decode() for name, content in pictures.items()},
    )
