import json
import shlex

import pytest

from app.cli.task_input import wrap
from app.errors import InvalidInput
from app.services.template import builtin
from app.services.template.schema_check import check_input

SCHEMAS = {template.slug: template.input_schema for template in builtin.load()}


@pytest.mark.parametrize(
    ("slug", "field"), [("email.reply", "email"), ("text.summarize", "text"), ("review.classify", "review")]
)
def test_text_goes_into_the_only_required_field(slug: str, field: str) -> None:
    assert wrap(slug, SCHEMAS[slug], "some words") == {field: "some words"}


@pytest.mark.parametrize(
    ("slug", "needs"),
    [
        ("product.description", "name and features"),
        ("text.translate", "text and targetLanguage"),
        ("data.extract", "text and fields"),
    ],
)
def test_several_required_fields_give_an_example_that_fits(slug: str, needs: str) -> None:
    with pytest.raises(InvalidInput, match=f"{slug} needs {needs}") as refused:
        wrap(slug, SCHEMAS[slug], "some words")

    # The message ends with a command that works when pasted.
    example = json.loads(shlex.split(refused.value.message)[-1])
    check_input(SCHEMAS[slug], example)


def test_a_required_field_that_is_no_text_is_not_filled_with_text() -> None:
    schema = {"required": ["level"], "properties": {"level": {"enum": ["low", "high"]}}}

    with pytest.raises(InvalidInput, match=r'level.*{"level": "low"}'):
        wrap("own.type", schema, "some words")


def test_three_required_fields_read_as_a_list() -> None:
    with pytest.raises(InvalidInput, match=r"own\.type needs a, b and c"):
        wrap("own.type", {"required": ["a", "b", "c"]}, "some words")
