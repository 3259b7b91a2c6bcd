"""The exceptions a user may see: each carries one sentence that says what, where and what to do.

Anything that is not a `CspError` is a defect of the product and may show a traceback; a `CspError` never does.
"""

from __future__ import annotations


class CspError(Exception):
    """The work could not be done; the message is one sentence for the user (exit code 1)."""


class UsageError(CspError):
    """The command or a setting was used wrongly (exit code 2)."""


class InputFileError(CspError):
    """One input file is not what it claims to be and is refused whole; other files go on."""


class IdentityBrokenError(CspError):
    """An identity of the books does not hold; nothing is published (exit code 1)."""


def cause_of(error: BaseException) -> BaseException:
    """The cause beneath an exception, or the first one on the way that is a sentence for the user."""
    while error.__cause__ is not None and not isinstance(error, CspError):
        error = error.__cause__
    return error
