"""`python -m csp_pipeline_tests.conformance FILE… [--json]`: a line per file, failures, what was left out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from csp_pipeline_tests.conformance.runner import run_file

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the files named on the command line.

    Returns:
        0 when no vector failed, 1 when one did, 2 when a file cannot be read as vectors.
    """
    parser = argparse.ArgumentParser(prog="python -m csp_pipeline_tests.conformance", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")
    options = parser.parse_args(arguments)
    try:
        reports = [run_file(file) for file in options.files]
    except ValueError as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201  (a command prints)
        return WRONG_USAGE
    for report in reports:
        lines = [json.dumps(report.as_json(), ensure_ascii=False)] if options.json else report.as_lines()
        print("\n".join(lines))  # noqa: T201  (a command prints)
    return FAILED if any(report.count("failed") for report in reports) else DONE


if __name__ == "__main__":
    sys.exit(main())
