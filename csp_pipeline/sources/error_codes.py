"""Microsoft's error codes: the class of each, whether it passes by itself, and what to do.

What belongs here: the table `error_codes.csv` and how a status and a code are looked up in it. Reading answers and the
exceptions belong to `provider_errors.py`. To add a code, add a line to the table: code, HTTP status, failure_class,
repeat (`again` passes by itself, `reread` needs the resource read first, `never`), a key of the advice below (that of
the class when blank), the meaning in short words, and where the code is published.

Microsoft publishes the codes but no split into technical failures and refusals by rule; the split is this project's. A
code that is not in the table is classed by its HTTP status and marked as not known.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

FailureClass = Literal["technical", "business_rule", "authentication", "caller"]
Repeat = Literal["again", "reread", "never"]

NO_MFA = "900421"
WRONG_AUDIENCE = "900420"

UNAUTHORISED, THROTTLED = 401, 429
_REDIRECTED, _REFUSED, _FORBIDDEN, _TIMED_OUT, _FAILED = 300, 400, 403, 408, 500
_SHORT_CODE = 4

_ADVICE = {
    "technical": "It was tried several times; run again later.",
    "business_rule": "The provider will not do this as it was asked: change what is asked, then ask again.",
    "authentication": (
        "Check CSP_CLIENT_ID, CSP_CLIENT_SECRET, CSP_REFRESH_TOKEN and the app's permissions; `csp-pipeline doctor` "
        "tests them one by one."
    ),
    "caller": "The request itself is wrong; please report this as a defect of csp-pipeline.",
    "mfa": (
        "The refresh token was made without multi-factor authentication: let the user who gave consent sign in again "
        "with a second factor, and set CSP_REFRESH_TOKEN to the new token."
    ),
    "audience": (
        "The token was made for graph.windows.net, which is no longer accepted: the app registration must ask for "
        "https://api.partnercenter.microsoft.com; set CSP_REFRESH_TOKEN to a token made that way."
    ),
    "user": (
        "This resource cannot be read by the app alone: set CSP_REFRESH_TOKEN to a token of a user with the roles "
        "Admin agent or Billing admin (secure application model)."
    ),
    "permission": (
        "The app or its user lacks a permission: give the app its API permissions with admin consent and the user the "
        "roles Admin agent and Billing admin, then run `csp-pipeline doctor`."
    ),
    "conditional_access": "A Conditional Access policy of the partner's tenant blocks the app: exempt it there.",
    "credit": "Microsoft holds the order back for credit or vetting: settle it in Partner Center or with support.",
    "agreement": "Have the agreement accepted and confirmed in Partner Center, then ask again.",
    "seats": "Ask for a quantity within the limits of the offer.",
    "window": "The time for this change is over: schedule it for the renewal.",
    "reread": "Somebody changed it in the meantime: read it again, then change it.",
    "wait": "It passes by itself; run again later.",
    "status": "Bring the subscription or order into the state the change needs, then ask again.",
    "details": "Correct the customer's details in Partner Center, then ask again.",
    "support": "Only partner support can lift this.",
    "no_data": "The provider has nothing to export yet, or the document is a legacy one, which is read elsewhere.",
    "throttled": "Fewer requests are allowed; run again later.",
    "redirect": "Redirects are not followed, as they could carry the token away: check the address in the settings.",
}


@dataclass(frozen=True, slots=True)
class Classification:
    """What a status and a code mean.

    Attributes:
        text: what the code says, in short words; empty for a code that is not known.
    """

    failure_class: FailureClass
    repeat: Repeat
    advice: str
    text: str = ""
    is_known: bool = True

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later with nothing changed."""
        return self.repeat == "again"


def classify(status: int, code: str = "") -> Classification:
    """What an HTTP status and an error code mean.

    Args:
        status: the HTTP status; that of the accepting answer (202) for an operation that failed afterwards.
        code: the provider's code as text.

    Returns:
        The table's entry for the code with this status; else for the code under another refusal; else the class of
        the status (401, and 403 without a numeric code, are authentication; other 4xx a business rule; 5xx technical),
        marked as not known when there was a code.
    """
    return _table().get((code, status)) or _under_another_status(code, status) or _by_status(status, code)


def is_passing(status: int) -> bool:
    """Whether a status by itself says that the service could not do it now: no answer, 408, 429 or 5xx."""
    return status >= _FAILED or status in {0, _TIMED_OUT, THROTTLED}


def _by_status(status: int, code: str) -> Classification:
    is_known = not code
    if status == THROTTLED:
        return Classification("technical", "again", _ADVICE["throttled"], "too many requests", is_known)
    if is_passing(status):
        return Classification("technical", "again", _ADVICE["technical"], is_known=is_known)
    if status == UNAUTHORISED:
        return Classification("authentication", "never", _ADVICE["authentication"], is_known=is_known)
    if status == _FORBIDDEN and not code.isdecimal():
        return Classification("authentication", "never", _ADVICE["permission"], is_known=is_known)
    if _REDIRECTED <= status < _REFUSED:
        return Classification("technical", "never", _ADVICE["redirect"], is_known=is_known)
    return Classification("business_rule", "never", _ADVICE["business_rule"], is_known=is_known)


def _under_another_status(code: str, status: int) -> Classification | None:
    """A code's entry when it arrives with another 4xx than the one it is published with.

    Codes of less than four digits name nothing by themselves, and a 401 is about who asks, whatever its code.
    """
    if len(code) < _SHORT_CODE or is_passing(status) or not _is_refusal(status):
        return None
    same = [entry for (known, usual), entry in _table().items() if known == code and _is_refusal(usual)]
    if status == UNAUTHORISED:
        same = [entry for entry in same if entry.failure_class == "authentication"]
    return same[0] if same else None


def _is_refusal(status: int) -> bool:
    return _REFUSED <= status < _FAILED


@cache
def _table() -> dict[tuple[str, int], Classification]:
    """The published codes by code and HTTP status; a few codes mean different things under different statuses."""
    lines = files("csp_pipeline.sources").joinpath("error_codes.csv").read_text("utf-8").splitlines()
    table = {}
    for row in csv.DictReader(lines):
        failure_class, repeat = row["failure_class"], row["repeat"]
        if failure_class not in get_args(FailureClass) or repeat not in get_args(Repeat):
            raise ValueError(f"error_codes.csv, code {row['code']}: {failure_class}, {repeat}")
        table[row["code"], int(row["http_status"])] = Classification(
            cast("FailureClass", failure_class),
            cast("Repeat", repeat),
            _ADVICE[row["advice"] or failure_class],
            row["text"],
        )
    return table


def codes() -> list[dict[str, str]]:
    """The table of codes as rows with its columns, the advice in words."""
    return [
        {
            "code": code,
            "http_status": str(status),
            "failure_class": entry.failure_class,
            "repeat": entry.repeat,
            "text": entry.text,
            "advice": entry.advice,
            "source": source,
        }
        for (code, status), entry in _table().items()
        if (source := _sources()[code, status])
    ]


@cache
def _sources() -> dict[tuple[str, int], str]:
    """Where each code is published."""
    lines = files("csp_pipeline.sources").joinpath("error_codes.csv").read_text("utf-8").splitlines()
    return {(row["code"], int(row["http_status"])): row["source"] for row in csv.DictReader(lines)}
