"""The vectors are those of the TypeID specification 0.3 (spec/valid.yml and spec/invalid.yml)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import ids


@pytest.mark.parametrize(
    ("prefix", "text", "uuid"),
    [
        ("prefix", "prefix_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("prefix", "prefix_00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
        ("prefix", "prefix_00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
        ("prefix", "prefix_0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
        ("prefix", "prefix_0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
        ("prefix", "prefix_00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
        ("prefix", "prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("prefix", "prefix_0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
    ],
)
def test_vectors_of_the_specification(prefix: str, text: str, uuid: str) -> None:
    assert ids.encode(prefix, UUID(uuid)) == text
    assert ids.decode(prefix, text) == UUID(uuid)
    assert ids.split(text) == (prefix, UUID(uuid))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("task_8zzzzzzzzzzzzzzzzzzzzzzzzz", id="more than 128 bits"),
        pytest.param("task_zzzzzzzzzzzzzzzzzzzzzzzzzz", id="far more than 128 bits"),
        pytest.param("task_01h455vb4pex5vsknk084sn02", id="too short"),
        pytest.param("task_01h455vb4pex5vsknk084sn02qq", id="too long"),
        pytest.param("task_01H455VB4PEX5VSKNK084SN02Q", id="upper case"),
        pytest.param("task_01h455vb4pex5vsknk084sn02i", id="i is ambiguous"),
        pytest.param("task_01h455vb4pex5vsknk084sn02l", id="l is ambiguous"),
        pytest.param("task_01h455vb4pex5vsknk084sn02o", id="o is ambiguous"),
        pytest.param("task_01h455vb4pex5vsknk084sn02u", id="u is ambiguous"),
        pytest.param("task_01h455vb4pex5-sknk084sn02q", id="hyphen"),
        pytest.param("task_ 1h455vb4pex5vsknk084sn02q", id="blank"),
        pytest.param("task_٠1h455vb4pex5vsknk084sn02q", id="a digit that is not ASCII"),
        pytest.param("01h455vb4pex5vsknk084sn02q", id="no prefix"),
        pytest.param("_01h455vb4pex5vsknk084sn02q", id="empty prefix"),
        pytest.param("task_", id="no suffix"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_an_id_is_refused(text: str) -> None:
    assert ids.decode(ids.TASK, text) is None
    assert ids.split(text) is None


def test_an_id_of_another_type_is_refused() -> None:
    assert ids.decode(ids.TASK, ids.encode(ids.WORKER, ids.new_id())) is None


@given(st.uuids(), st.sampled_from([ids.TASK, ids.WORKSPACE, ids.TEMPLATE_VERSION]))
def test_every_uuid_comes_back(value: UUID, prefix: str) -> None:
    assert ids.decode(prefix, ids.encode(prefix, value)) == value


@given(st.uuids(), st.uuids())
def test_ids_sort_as_their_uuids(first: UUID, second: UUID) -> None:
    assert (ids.encode(ids.TASK, first) < ids.encode(ids.TASK, second)) == (first < second)


@given(st.text(max_size=60))
def test_no_text_breaks_the_decoder(text: str) -> None:
    assert ids.decode(ids.TASK, text) is None or text.startswith("task_")


def test_new_ids_are_version_7_and_rise() -> None:
    made = [ids.new_id() for _ in range(1000)]

    assert {value.version for value in made} == {7}
    assert made == sorted(made)
    assert len(set(made)) == 1000
