"""Every built-in template through both vendors' fakes, to the last figure."""

from typing import Any

import pytest

from app.actors.runner import Runner
from app.models import TaskComplexity
from app.providers.chat import Usage
from app.services.billing.price import cost_micros
from app.services.routing.catalogue import read_catalogue
from app.services.template import builtin
from app.services.template.schema_check import check_input, find_problem, resolve_output_schema
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk

INPUTS: dict[str, dict[str, Any]] = {
    "data.extract": {"text": "Invoice 7 is due on 4 April.", "fields": ["invoiceNumber", "due date"]},
    "email.reply": {"email": "Where is my parcel? Regards, Eva"},
    "product.description": {"name": "Oak chair", "features": ["solid oak", "stackable"]},
    "review.classify": {"review": "The chair wobbles, but the colour is lovely."},
    "text.summarize": {"text": "Snow delayed the parcel to Oslo by two days."},
    "text.translate": {"text": "Good morning", "targetLanguage": "Norwegian"},
}
ROUTES = [("openai", TaskComplexity.NORMAL), ("anthropic", TaskComplexity.HIGH)]


def test_there_is_an_input_for_every_built_in_template() -> None:
    templates = {template.slug: template for template in builtin.load()}

    assert set(templates) == set(INPUTS)
    for slug, given in INPUTS.items():
        check_input(templates[slug].input_schema, given)


@pytest.mark.parametrize(("provider", "complexity"), ROUTES)
@pytest.mark.parametrize("slug", sorted(INPUTS))
async def test_runs_to_an_output_that_fits_its_schema(
    desk: Desk, worker: Runner, fakes: Fakes, slug: str, provider: str, complexity: TaskComplexity
) -> None:
    desk.route_to("openai", "anthropic")
    task_id = await desk.accept_one(type=slug, input=INPUTS[slug], complexity=complexity)
    task = await desk.ended(task_id)

    template = next(template for template in builtin.load() if template.slug == slug)
    assert task["status"] == "SUCCEEDED", task["error"]
    assert find_problem(resolve_output_schema(template.output_schema, INPUTS[slug]), task["output"]) is None
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "SUCCEEDED"]

    (attempt,) = await desk.attempts(task_id)
    call = fakes.journal.calls(provider)[-1]
    assert (attempt["status"], attempt["provider"], attempt["usage_estimated"]) == ("SUCCEEDED", provider, False)
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (call.input_tokens, call.output_tokens)
    catalogue = await read_catalogue(desk.engine)
    model = catalogue.of(provider, call.body["model"])
    assert model is not None
    assert attempt["cost_micros"] == cost_micros(model.price, Usage(call.input_tokens, call.output_tokens)) > 0
    assert (task["cost_micros"], task["reserved_micros"]) == (attempt["cost_micros"], 0)
