import pytest

from app.cli.client import Address, NoService, find_service
from app.embedded.instance import Instance


def test_the_running_instance_is_found_with_its_key(instance: Instance) -> None:
    assert find_service() == Address(instance.url, instance.api_key)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("url", ["https://bizq.example", "https://bizq.example/", "https://bizq.example/graphql"])
def test_url_may_be_the_root_or_the_graphql_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BIZQ_URL", url)
    monkeypatch.setenv("BIZQ_API_KEY", "key")

    address = find_service()

    assert address == Address("https://bizq.example", "key")
    assert address.graphql == "https://bizq.example/graphql"
    assert address.socket == "wss://bizq.example/graphql"


@pytest.mark.usefixtures("instance")
def test_the_instances_key_is_not_sent_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIZQ_URL", "https://bizq.example")

    with pytest.raises(NoService, match="BIZQ_API_KEY is not set"):
        find_service()


def test_another_key_can_be_used_with_the_instance(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIZQ_API_KEY", "key of another workspace")

    assert find_service() == Address(instance.url, "key of another workspace")


@pytest.mark.usefixtures("nowhere")
def test_nothing_running_says_how_to_start() -> None:
    with pytest.raises(NoService, match="Start one with `bizq up`"):
        find_service()


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("url", ["bizq.example", "ftp://bizq.example", "http://", "http:///graphql"])
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BIZQ_URL", url)
    monkeypatch.setenv("BIZQ_API_KEY", "key")

    with pytest.raises(NoService, match="not an address"):
        find_service()
