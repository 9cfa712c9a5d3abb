import pytest

from app.graphql.socket_messages import LONGEST_REASON, complaint, reason


@pytest.mark.parametrize(
    "request_",
    [
        {"query": "{ a }"},
        {"documentId": "sha256:0"},
        {"extensions": {"persistedQuery": {}}},
        {"query": "", "documentId": "x"},
    ],
)
def test_an_operation_has_a_document_or_names_one(request_: dict[str, object]) -> None:
    assert complaint({"type": "subscribe", "id": "1", "payload": request_}) is None


@pytest.mark.parametrize("request_", [{}, {"query": ""}, {"query": None}, {"documentId": None}, {"extensions": {}}])
def test_without_either_it_is_no_operation(request_: dict[str, object]) -> None:
    assert complaint({"type": "subscribe", "id": "1", "payload": request_}) == "The query is missing"


@pytest.mark.parametrize("text", ["short", "x" * 500, "ä" * 500, "x" + "𝕒" * 100])
def test_a_reason_fits_into_a_close_frame(text: str) -> None:
    cut = reason(text)

    assert text.startswith(cut)
    assert len(cut.encode()) <= LONGEST_REASON
    assert len(cut.encode()) > LONGEST_REASON - 4 or cut == text
