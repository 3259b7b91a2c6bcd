"""What the login service means when it gives no token, and what to do about it.

What belongs here: Entra's error numbers (AADSTS…) that a partner meets in practice, and the sentence for each. The
service's own text is not repeated: it names users and trace ids.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from csp_pipeline.sources.provider_errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGN_IN_AGAIN = "Sign in again with a second factor and set CSP_REFRESH_TOKEN to the new token."
_NUMBER = re.compile(r"AADSTS(\d+)")

_MEANINGS: dict[str, tuple[str, str]] = {
    "7000215": ("the client secret is wrong", "Set CSP_CLIENT_SECRET to the secret's value, not to its id."),
    "7000222": ("the client secret has expired", "Make a new secret for the app and set CSP_CLIENT_SECRET."),
    "7000218": ("the client secret did not arrive", "Set CSP_CLIENT_SECRET."),
    "700016": ("the app is not known in the tenant", "Check CSP_CLIENT_ID and CSP_PARTNER_TENANT_ID."),
    "7000112": ("the app is disabled", "Enable the app registration in the partner's tenant."),
    "90002": ("the tenant is not known", "Check CSP_PARTNER_TENANT_ID."),
    "900023": ("the tenant id cannot be read", "Check CSP_PARTNER_TENANT_ID."),
    "500011": ("the API is not known in the tenant", "Add the API to the app's permissions and give admin consent."),
    "65001": ("consent is missing", "Give admin consent to the app's permissions, then sign in again."),
    "50076": ("multi-factor authentication is asked for", _SIGN_IN_AGAIN),
    "50079": ("the user has no multi-factor authentication yet", f"Set it up for the user. {_SIGN_IN_AGAIN}"),
    "50158": ("multi-factor authentication is asked for", _SIGN_IN_AGAIN),
    "50173": ("the refresh token was revoked, for example by a new password", _SIGN_IN_AGAIN),
    "70000": ("the refresh token is not valid", _SIGN_IN_AGAIN),
    "70008": ("the refresh token has expired", _SIGN_IN_AGAIN),
    "700082": ("the refresh token has expired because it was not used", _SIGN_IN_AGAIN),
    "700084": ("the refresh token has expired", _SIGN_IN_AGAIN),
    "9002313": ("the request could not be read", _SIGN_IN_AGAIN),
    "50057": ("the user's account is disabled", f"Use an enabled account. {_SIGN_IN_AGAIN}"),
    "50034": ("the user is not known in the tenant", f"Use an account of the partner's tenant. {_SIGN_IN_AGAIN}"),
    "53003": ("a Conditional Access policy blocks the sign-in", "Exempt the app or its user from the policy."),
}


def refused_login(answer: Mapping[str, Any], *, as_user: bool) -> AuthenticationError:
    """The exception for an answer without a token.

    Args:
        answer: what the login service sent: `error`, `error_description`, `error_codes`.
        as_user: whether a refresh token was used.

    Returns:
        The exception, to be raised; its code is the number of Entra's error, or the OAuth error without one.
    """
    error = _word(answer.get("error"))
    number = _entra_number(answer)
    meaning, advice = _MEANINGS.get(number) or _by_oauth_error(error, as_user=as_user)
    return AuthenticationError(
        f"{meaning}; no token was given",
        code=f"AADSTS{number}" if number else error,
        failure_class="authentication",
        is_known=not number or number in _MEANINGS,
        advice=advice,
        where="The login with the refresh token" if as_user else "The login of the app",
    )


def no_such_tenant(tenant_id: str, host: str) -> AuthenticationError:
    """The exception for a tenant whose endpoints the login service does not give."""
    return AuthenticationError(
        f"{host} knows no tenant {tenant_id}",
        failure_class="authentication",
        advice="Check CSP_PARTNER_TENANT_ID and CSP_LOGIN_URL.",
        where="The login",
    )


def _by_oauth_error(error: str, *, as_user: bool) -> tuple[str, str]:
    if error == "invalid_client":
        return "the app or its secret is not accepted", "Check CSP_CLIENT_ID and CSP_CLIENT_SECRET."
    if error == "invalid_grant" and as_user:
        return "the refresh token is not accepted", _SIGN_IN_AGAIN
    return "the login service refused", "Check the CSP_ settings of the login with `csp-pipeline doctor`."


def _entra_number(answer: Mapping[str, Any]) -> str:
    """Entra's error number: the first of `error_codes`, else the one in the description."""
    numbers = answer.get("error_codes")
    if isinstance(numbers, list) and numbers and str(numbers[0]).isdecimal():
        return str(numbers[0])
    found = _NUMBER.search(str(answer.get("error_description", "")))
    return found.group(1) if found else ""


def _word(value: object) -> str:
    """An OAuth error's name, which is one word; anything else is not repeated."""
    return value if isinstance(value, str) and re.fullmatch(r"[a-z_]{1,40}", value) else ""
