"""The writer indents, wraps and writes docstrings that Python reads back."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.codegen.writer import BANNER, Writer, formatted, literal, python_writer, raw_literal


def test_blocks_are_indented_and_empty_lines_carry_no_blanks() -> None:
    writer = Writer()
    with writer.block("class A:"):
        with writer.block("def b(self):"):
            writer.lines("pass", "")
        writer.line("c = 1")
    assert writer.text == "class A:\n    def b(self):\n        pass\n\n    c = 1\n"


def test_a_block_may_have_a_tail() -> None:
    writer = Writer()
    with writer.block("x = (", ")"):
        writer.line("1,")
    assert writer.text == "x = (\n    1,\n)\n"


def test_paragraphs_are_wrapped_within_the_width() -> None:
    writer = Writer(width=20)
    writer.wrapped("one two three four five six", prefix="# ")
    assert writer.text == "# one two three four\n# five six\n"


def test_a_docstring_of_one_sentence_stands_on_one_line() -> None:
    writer = Writer()
    writer.docstring("What it is.")
    assert writer.text == '"""What it is."""\n'


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=300),
    st.text("ab \"'\\", max_size=99),
)
def test_any_text_can_be_a_docstring(summary: str, more: str) -> None:
    writer = Writer()
    writer.docstring(f"S{summary}.", f"M{more}.")
    assert ast.get_docstring(ast.parse(writer.text)) is not None


@given(st.text())
def test_a_literal_is_read_back_as_it_was(text: str) -> None:
    if not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert ast.literal_eval(literal(text)) == text
        assert ast.literal_eval(raw_literal(text)) == text


def test_a_module_begins_with_the_banner() -> None:
    assert python_writer("A module.").text.splitlines()[0] == f"# {BANNER}"


def test_the_formatter_sorts_imports_and_drops_unused_ones() -> None:
    assert formatted("import os\nimport ast\nx=ast\n") == "import ast\n\nx = ast\n"


def test_source_that_is_not_python_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be formatted"):
        formatted("def (:\n")
