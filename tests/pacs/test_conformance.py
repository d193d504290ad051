"""The conformance statement is generated, and the file in docs is up to date."""

from pathlib import Path

import pytest

from cxr_sr.pacs.conformance import statement
from cxr_sr.pacs.network.services import RECEIVED_CLASSES, RECEIVED_SYNTAXES
from tests.pacs.servers import command

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_the_document_is_what_the_code_says():
    if not DOCUMENT.exists():
        pytest.skip("the documents are not part of this copy")
    assert DOCUMENT.read_text() == statement() + "\n", (
        "run: cxr-sr serve --conformance > docs/conformance.md"
    )


def test_the_command_prints_the_statement_with_every_class_and_syntax():
    result = command("serve", "--conformance")
    assert result.exit_code == 0
    assert result.stdout == statement() + "\n"
    for uid in (*RECEIVED_CLASSES, *RECEIVED_SYNTAXES):
        assert f"| {uid} |" in result.stdout
