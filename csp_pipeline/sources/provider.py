"""The provider as one connection: Partner Center with its price service, and the billing exports, from the settings.

What belongs here: which address and token each client gets. What they ask for is in their own modules.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.sources.blobs import blob_hosts
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.graph_exports import GraphExports
from csp_pipeline.sources.login import GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Login
from csp_pipeline.sources.partner_center import PartnerCenter
from csp_pipeline.sources.retries import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Provider:
    """The clients of one partner; both may be used by several threads at once."""

    partner_center: PartnerCenter
    graph: GraphExports


@contextmanager
def connect(
    settings: Settings, *, sleep: Callable[[float], None] = time.sleep, attempts: int = ATTEMPTS
) -> Iterator[Provider]:
    """Clients for the addresses and credentials in the settings; nothing is asked for before it is used.

    Args:
        settings: addresses and credentials.
        sleep: waits for a number of seconds: between attempts, for the pace, and for exports to be ready.
        attempts: the most requests for one call to Partner Center, the first one counted.

    Yields:
        The clients; their connections are closed afterwards.

    Raises:
        UsageError: an address is not one that secrets may be sent to.
    """
    with (
        Login(settings, sleep=sleep) as login,
        Calls(
            settings.partner_center_url, login, PARTNER_CENTER_SCOPE, sleep=sleep, attempts=attempts
        ) as partner_center,
        Calls(settings.pricing_url, login, PARTNER_CENTER_SCOPE, sleep=sleep) as pricing,
        Calls(settings.graph_url, login, GRAPH_SCOPE, sleep=sleep) as graph,
    ):
        exports = GraphExports(graph, allowed_blob_hosts=blob_hosts(settings.graph_url), sleep=sleep)
        yield Provider(PartnerCenter(partner_center, pricing), exports)
