"""Write the snapshot of the graph anew, after a wanted change."""

from csp_pipeline_tests.golden import SNAPSHOT, as_text, graph

SNAPSHOT.write_text(as_text(graph()), encoding="utf-8")
