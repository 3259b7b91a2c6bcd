"""A PDF of one page with a few lines of text: the statement of an invoice.

Only what a reader of PDF needs to open it; what is said on the page is decided by the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOP, _LEADING = 780, 24


def pdf(lines: Sequence[str]) -> bytes:
    """A valid PDF with these lines of ASCII text.

    Args:
        lines: What is on the page, from the top.

    Returns:
        The file.
    """
    shown = "".join(
        f"BT /F1 14 Tf 60 {_TOP - number * _LEADING} Td ({_escaped(line)}) Tj ET\n" for number, line in enumerate(lines)
    )
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        " /Resources << /Font << /F1 4 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Length {len(shown)} >>\nstream\n{shown}endstream",
    )
    body, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    count = len(objects) + 1
    return (
        f"{body}xref\n0 {count}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    ).encode("ascii")


def _escaped(line: str) -> str:
    safe = line.encode("ascii", "replace").decode()
    return safe.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
