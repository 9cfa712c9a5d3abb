"""What the demo tasks work on and what comes out: for every built-in template a stock of fitting pairs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

CHARACTERS_PER_TOKEN = 4
VARIANTS = 400
# The system prompt and the template's words around the input, about.
_PROMPT_TOKENS = 180

_FIRST = ("Amara", "Ben", "Chiara", "Diego", "Elif", "Farid", "Grace", "Hana", "Ivan", "Jonas", "Kofi", "Lena")
_PRODUCTS = (
    "Ridgeline backpack", "Copper kettle", "Aurora desk lamp", "Harbor rain jacket", "Oak serving board",
    "Trailhead bottle", "Linen bedding set", "Quiet-Drive blender", "Meridian watch", "Cloudstep slippers",
    "Field notebook", "Cast-iron skillet", "Walnut phone stand", "Merino beanie", "Garden hand trowel",
)  # fmt: skip
_PROBLEMS = (
    ("arrived with a crack along one side", "damaged item"), ("has not arrived, and tracking stopped", "late delivery"),
    ("is not the colour I ordered", "wrong item"), ("was charged twice on my card", "double charge"),
    ("stopped working after three days", "defective item"), ("is one size too small", "size exchange"),
    ("came without the part in the pictures", "missing part"), ("is listed on my invoice at the old price", "invoice"),
)  # fmt: skip
_REMEDIES = (
    "We are sending a replacement today; you will get the tracking number by e-mail.",
    "We have refunded the full amount; it reaches your account within three working days.",
    "A prepaid return label is attached. The exchange leaves our warehouse once your parcel is scanned.",
    "Our carrier has found the parcel and will deliver it tomorrow before noon.",
)
_FEATURES = (
    "waterproof to 2 m", "made from recycled steel", "folds flat", "two-year guarantee", "weighs 480 g",
    "dishwasher safe", "hand-stitched seams", "fits a 15-inch laptop", "dims to 1 %", "charges in 40 minutes",
)  # fmt: skip
_OPINIONS = (
    ("Exactly what I hoped for. Sturdy, well made, and it came a day early.", "positive", 1.0),
    ("Works well, and the support team answered within the hour.", "positive", 0.9),
    ("It does the job. Nothing special, nothing wrong.", "neutral", 0.8),
    ("Good quality, but delivery took two weeks and the box was torn.", "neutral", 0.7),
    ("Broke on the second day and nobody answers my e-mails.", "negative", 1.0),
    ("Smaller than in the pictures. I am sending it back.", "negative", 0.9),
)
_NEWS = (
    ("The regional office moved all invoicing to the new portal on {date}. Suppliers were told by letter; {n} of them "
     "have registered so far. Paper invoices are accepted until the end of the quarter.",
     "Invoicing moved to the new portal on {date}; {n} suppliers have registered. Paper is still accepted."),
    ("Visitors rose by {n} percent over last spring, mostly at weekends. The café sold out on {date} and will stay "
     "open an hour longer. Parking remains the most frequent complaint.",
     "Visitors rose {n} percent, mostly at weekends. The café stays open longer; parking draws most complaints."),
    ("On {date} the board approved a second production line. It will employ {n} people and start next summer, if the "
     "permit is granted in time. Neighbours had raised concerns about noise.",
     "The board approved a second line on {date}: {n} jobs from next summer, if the permit is granted."),
)  # fmt: skip
_PHRASES = (
    ("Your order is on its way.", "German", "Ihre Bestellung ist unterwegs."),
    ("Your order is on its way.", "French", "Votre commande est en route."),
    ("The meeting is moved to Tuesday.", "Spanish", "La reunión se ha pasado al martes."),
    ("Please sign and return the form.", "Italian", "Si prega di firmare e restituire il modulo."),
    ("The shop is closed on public holidays.", "Dutch", "De winkel is gesloten op feestdagen."),
    ("Thank you for your patience.", "Portuguese", "Obrigado pela sua paciência."),
    ("The warranty covers all parts for two years.", "German", "Die Garantie umfasst zwei Jahre lang alle Teile."),
)
_MONTHS = ("January", "March", "April", "June", "September", "October")


@dataclass(frozen=True, slots=True)
class Exchange:
    """An input and the output a model gave for it, as JSON texts, with what they take in tokens."""

    input: str
    output: str
    input_tokens: int
    output_tokens: int


def stock(chance: Random) -> dict[str, list[Exchange]]:
    """For each built-in template's slug its pairs."""
    return {slug: [_exchange(make, chance) for _ in range(VARIANTS)] for slug, make in _MAKERS.items()}


def _exchange(make: Callable[[Random], tuple[Any, Any]], chance: Random) -> Exchange:
    given, produced = (json.dumps(part, ensure_ascii=False) for part in make(chance))
    return Exchange(given, produced, _PROMPT_TOKENS + _tokens(given), _tokens(produced))


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _order(chance: Random) -> str:
    return f"{chance.choice('ABCDEFGH')}{chance.randrange(10_000, 99_999)}"


def _email_reply(chance: Random) -> tuple[Any, Any]:
    name, product, order = chance.choice(_FIRST), chance.choice(_PRODUCTS), _order(chance)
    problem, topic = chance.choice(_PROBLEMS)
    email = f"Hello,\n\nmy {product} (order {order}) {problem}. What can you do about it?\n\nBest regards\n{name}"
    body = (
        f"Hello {name},\n\nthank you for telling us about your {product}, and please excuse the trouble. "
        f"{chance.choice(_REMEDIES)}\n\nKind regards\nCustomer Support"
    )
    return {"email": email}, {"subject": f"Your order {order}: {topic}", "body": body}


def _summarize(chance: Random) -> tuple[Any, Any]:
    text, summary = chance.choice(_NEWS)
    facts = {"date": f"{chance.randrange(1, 28)} {chance.choice(_MONTHS)}", "n": chance.randrange(12, 90)}
    return {"text": text.format(**facts)}, {"summary": summary.format(**facts)}


def _classify(chance: Random) -> tuple[Any, Any]:
    review, sentiment, confidence = chance.choice(_OPINIONS)
    product = chance.choice(_PRODUCTS)
    return {"review": f"{product}: {review}"}, {"sentiment": sentiment, "confidence": confidence}


def _describe(chance: Random) -> tuple[Any, Any]:
    name, features = chance.choice(_PRODUCTS), chance.sample(_FEATURES, 3)
    text = f"The {name} is made for every day: {features[0]}, {features[1]} and {features[2]}. Built to be used."
    return {"name": name, "features": features}, {"title": f"{name}: made for every day", "description": text}


def _translate(chance: Random) -> tuple[Any, Any]:
    text, language, translation = chance.choice(_PHRASES)
    order = _order(chance)
    return {"text": f"{text} ({order})", "targetLanguage": language}, {"translation": f"{translation} ({order})"}


def _extract(chance: Random) -> tuple[Any, Any]:
    order, name = _order(chance), chance.choice(_FIRST)
    total, day = f"{chance.randrange(20, 900)}.{chance.randrange(100):02d} EUR", chance.randrange(1, 28)
    due = f"{day} {chance.choice(_MONTHS)}"
    text = f"Invoice {order} for {name}. Total {total}, to be paid by {due}."
    values = {"invoiceNumber": order, "total": total, "due date": due, "tax number": None}
    return {"text": text, "fields": list(values)}, {"values": values}


_MAKERS: dict[str, Callable[[Random], tuple[Any, Any]]] = {
    "email.reply": _email_reply,
    "text.summarize": _summarize,
    "review.classify": _classify,
    "product.description": _describe,
    "text.translate": _translate,
    "data.extract": _extract,
}
