"""What the provider answered, on its way to landing: files of answers, many calls at a time, and what went wrong.

What belongs here: the form of a file of answers, the fan-out over customers, days and documents, and the report of a
fetch. What is fetched, and what an empty answer means, is in the modules `fetch_…`.
"""

from __future__ import annotations

import codecs
import json
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from csp_pipeline.errors import InputFileError
from csp_pipeline.sources.graph_exports import ExportError, RestatedExportError
from csp_pipeline.sources.paging import IncompleteAnswerError, Page
from csp_pipeline.sources.provider_errors import AuthenticationError, ProviderError
from csp_pipeline.storage.arrivals import Origin, open_delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from datetime import date
    from typing import BinaryIO

    from csp_pipeline.sources.graph_exports import GraphExports, Manifest
    from csp_pipeline.storage.home import Home

AT_A_TIME = 8
AHEAD = 4 * AT_A_TIME
PARTNER_CENTER, GRAPH = "partner-center", "graph"
RESTATED_AT_MOST = 3
FAILURES = (ProviderError, IncompleteAnswerError, ExportError, InputFileError)
"""What one thing that is fetched may end with while the others go on."""
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")
_NOT_FOUND = 404
Key: TypeAlias = tuple[str, ...]
"""What a resource is asked for by: a customer, or a customer and a subscription or order."""
Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


def silent(_message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch came to.

    Attributes:
        files: how many files were delivered to landing.
        problems: what could not be fetched, one sentence each; a person has to look.
        notes: empty answers that are in order, one sentence each.
    """

    files: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: FetchReport) -> FetchReport:
        return FetchReport(self.files + other.files, self.problems + other.problems, self.notes + other.notes)


def in_order(call: Callable[[Asked], Answered], asked: Iterable[Asked]) -> Iterator[tuple[Asked, Answered]]:
    """Call for many things, some at a time, and yield the answers in the order of the questions.

    Only a few answers are ever held: no more is asked than a little ahead of what is yielded.

    Args:
        call: what is done, in threads; what it raises is raised here when its turn comes.
        asked: what it is done for.

    Yields:
        Each question with its answer.
    """
    waiting = iter(asked)
    begun: deque[tuple[Asked, Future[Answered]]] = deque()
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        for one in waiting:
            begun.append((one, pool.submit(call, one)))
            if len(begun) >= AHEAD:
                question, future = begun.popleft()
                yield question, future.result()
        while begun:
            question, future = begun.popleft()
            yield question, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ask_for(ask: Callable[..., Page | Iterable[Page]], key: Key) -> list[Page] | Exception:
    """The answers for a key, or why there are none; an empty list where the provider has nothing at that address.

    Raises:
        AuthenticationError: the login is refused; nothing else would be answered either.
    """
    try:
        answer = ask(*key)
        return [answer] if isinstance(answer, Page) else list(answer)
    except AuthenticationError:
        raise
    except FAILURES as error:
        return [] if is_absent(error) else error


def land_answers(
    home: Home, resource: str, pages: Iterable[Page], *, scope: str = "", snapshot_on: date | None = None
) -> FetchReport:
    """Deliver answers as one file of JSON lines, `{"uri": …, "body": …}`, once all of them are there.

    Args:
        home: the folders.
        resource: what was asked for, such as `customers`.
        pages: the answers, in an order that does not change from run to run.
        scope: the document they are about; blank when they are about the partner as a whole.
        snapshot_on: the UTC day whose state they tell.

    Returns:
        The report of one file, or of none where nothing was answered.
    """
    return land_lines(home, resource, map(answer_line, pages), scope=scope, snapshot_on=snapshot_on)


def land_lines(
    home: Home, resource: str, lines: Iterable[bytes], *, scope: str = "", snapshot_on: date | None = None
) -> FetchReport:
    """Deliver answers that are lines already, see `answer_line`; arguments and report as in `land_answers`."""
    home.landing.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=home.landing) as answers:
        answers.writelines(lines)
        if not answers.tell():
            return FetchReport()
        answers.seek(0)
        delivery = open_delivery(home, Origin(PARTNER_CENTER, resource, scope, snapshot_on))
        delivery.take(f"{snapshot_on or 'answers'}.jsonl", cast("BinaryIO", answers))
        delivery.complete()
    return FetchReport(files=1)


def answer_line(page: Page, **more: str) -> bytes:
    """An answer as a line of JSON, with what else is to be known of it; its body is what was received.

    A line break between the tokens of a body is a blank; inside a text JSON has none.
    """
    body = page.body.removeprefix(codecs.BOM_UTF8).translate(_LINE_BREAKS).strip()
    known = "".join(f", {json.dumps(name)}: {json.dumps(value)}" for name, value in more.items())
    return b'{"uri": ' + json.dumps(page.uri).encode() + b', "body": ' + (body or b"null") + known.encode() + b"}\n"


def record_empty(home: Home, origin: Origin) -> None:
    """Keep in landing that something was asked for and holds nothing, so that it counts as fetched."""
    open_delivery(home, origin).complete()


def deliver_export(home: Home, graph: GraphExports, manifest: Manifest) -> FetchReport:
    """Deliver the files of an export; what an interrupted run fetched of the same version is not fetched again.

    An export without rows is not delivered: what that means is for the caller to decide.

    Args:
        home: the folders.
        graph: the client.
        manifest: the files.

    Returns:
        The report of the files delivered.

    Raises:
        ExportError: the files cannot be had, or are restated faster than they can be fetched.
    """
    for _ in range(RESTATED_AT_MOST):
        request = manifest.request
        origin = Origin(GRAPH, request.resource, request.scope, version=manifest.e_tag, version_at=manifest.created_at)
        delivery = open_delivery(home, origin)
        try:
            graph.deliver(manifest, delivery)
        except RestatedExportError as restated:
            manifest = restated.manifest
            continue
        if delivery.files:
            delivery.complete()
        else:
            delivery.withdraw()
        return FetchReport(files=len(delivery.files))
    raise ExportError(f"{manifest.request} was restated again and again while it was fetched; run again later")


def is_absent(error: Exception) -> bool:
    """Whether the provider says that there is nothing at an address."""
    return isinstance(error, ProviderError) and error.status == _NOT_FOUND


def told(what: str, error: Exception) -> FetchReport:
    """The report of something that could not be fetched while the rest goes on.

    Raises:
        AuthenticationError: when that is what is wrong; nothing else would be answered either.
    """
    if isinstance(error, AuthenticationError):
        raise error
    return FetchReport(problems=(f"{what} could not be fetched: {error}",))
