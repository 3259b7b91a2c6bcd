"""The words of alerts: jinja2 templates, a user's own in CSP_HOME/templates before the shipped ones.

What belongs here: finding and rendering. A template is named `<kind>.<audience>.txt.j2`; its first line is the subject,
the rest after a blank line the body. Text alone, so nothing has to be escaped.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from csp_pipeline.errors import CspError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jinja2 import Environment


def template_name(kind: str, audience: str) -> str:
    """The file name of a template."""
    return f"{kind}.{audience}.txt.j2"


def shipped() -> list[str]:
    """The names of the templates that come with the product."""
    folder = resources.files("csp_pipeline.notifications") / "templates"
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(".j2"))


def render(folder: Path, kind: str, audience: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and body of an alert.

    Args:
        folder: `home.templates`.
        kind: what it is about.
        audience: customer or service_team.
        values: what the template may name; a name that it gets wrong is an error.

    Raises:
        CspError: a user's template cannot be rendered.
    """
    from jinja2 import TemplateError  # noqa: PLC0415  (needed only when something is told)

    name = template_name(kind, audience)
    own = folder / name
    text = own.read_text("utf-8") if own.is_file() else _shipped(name)
    try:
        rendered = _environment().from_string(text).render(**values)
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CspError(
            f"The template {own if own.is_file() else name} cannot be used: {error}; correct it, or delete the file to "
            "use the shipped one."
        ) from error
    subject, _, body = rendered.strip().partition("\n")
    return " ".join(subject.split()), f"{body.strip()}\n"


def _shipped(name: str) -> str:
    return (resources.files("csp_pipeline.notifications") / "templates" / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

    environment = SandboxedEnvironment(
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,  # plain text
    )
    environment.filters["number"] = _number
    environment.filters["units"] = _units
    return environment


def _number(value: Any) -> str:  # noqa: ANN401  (a decimal, a whole number or nothing)
    """A number without zeros at its end; a dash for none."""
    if value is None:
        return "-"
    text = f"{value:f}" if not isinstance(value, int) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _units(value: Any) -> str:  # noqa: ANN401  (as above)
    """A quantity with its unit."""
    number = _number(value)
    return f"{number} unit" if number == "1" else f"{number} units"
