"""The collection of `/agreements`: the templates of agreements that a customer can be asked to accept."""

from __future__ import annotations

from csp_pipeline.formats.columns import WireFormat, identifier, number, text

FORMAT = WireFormat(
    kind="agreement_metadata",
    title="collection of agreement templates",
    signature=(("templateId",), ("agreementLink",), ("versionRank",)),
    columns=(
        identifier("template_id", "templateId", required=True),
        text("agreement_type", "agreementType", "type"),
        text("agreement_link", "agreementLink"),
        number("version_rank", "versionRank"),
    ),
)
