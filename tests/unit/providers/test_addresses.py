import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.providers.addresses import checked_base_url, may_call

PUBLIC = ["93.184.216.34", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.255.255.254", "100.64.0.1"),
    *("100.127.255.255", "::1", "fc00::1", "fd12:3456::1"),
]
NEVER = [
    # this network, link-local with the clouds' metadata, benchmarks, documentation, multicast, reserved, broadcast
    *("0.0.0.0", "0.1.2.3", "169.254.0.1", "169.254.169.254", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    # metadata elsewhere: Azure, Alibaba, AWS over IPv6
    *("168.63.129.16", "100.100.100.200", "fd00:ec2::254"),
    *("::", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "4000::1"),
    # other addresses inside: mapped, compatible, 6to4, Teredo, NAT64 and its local prefix, ISATAP-like, translated
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a9fe:a9fe", "::7f00:1", "2002:7f00:1::1", "2002:808:808::1"),
    *("2001:0:53aa:64c::1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "::ffff:0:127.0.0.1"),
    # no addresses
    *("", "localhost", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "example.com", "1.2.3.4.5"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    assert may_call(address, allow_private=False)
    assert may_call(address, allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_only_where_the_operator_allows_them(address: str) -> None:
    assert not may_call(address, allow_private=False)
    assert may_call(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_others_are_never_called(address: str) -> None:
    assert not may_call(address, allow_private=False)
    assert not may_call(address, allow_private=True)


@given(st.ip_addresses())
def test_what_python_calls_private_or_special_is_never_called(address: object) -> None:
    special = any(
        getattr(address, name)
        for name in ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
    )

    assert not (special and may_call(str(address), allow_private=False))


@pytest.mark.parametrize(
    "url",
    [
        *("https://models.example.com", "https://models.example.com:8443/v1", "https://[2606:4700::1111]/v1"),
        *("https://8.8.8.8/v1", "https://localhost.example.com/openai/v1"),
    ],
)
def test_addresses_of_servers_are_taken_as_they_are(url: str) -> None:
    assert checked_base_url(url, allow_private=False) == url
    assert checked_base_url(f"{url}/", allow_private=False) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "models.example.com/v1", "//models.example.com", "https://", "https:///v1", "ftp://models.example.com"),
        *("http://models.example.com/v1", "file:///etc/passwd", "gopher://models.example.com", "HTTPS//x", "https:x"),
        *("https://user@models.example.com", "https://user:pass@models.example.com", "https://:pw@models.example.com"),
        *("https://models.example.com?a=1", "https://models.example.com#a", "https://models.example.com/?"),
        *("https://models.example.com\\@10.0.0.1", "https://mod els.example.com", "https://models.example.com/\n"),
        *("https://127.0.0.1/v1", "https://[::1]/v1", "https://10.1.2.3", "https://169.254.169.254/latest"),
        *("https://[::ffff:127.0.0.1]/v1", "https://mödels.example.com", "https://models.example.com:99999/v1"),
        f"https://models.example.com/{'x' * 500}",
    ],
)
def test_hostile_addresses_of_servers_are_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_base_url(url, allow_private=False)

    assert caught.value.path == ("baseUrl",)


@given(st.text() | st.text().map(lambda rest: f"https://{rest}") | st.from_regex(r"https://[!-~]+", fullmatch=True))
@example("https://xn--a.com")
def test_whatever_somebody_sends_is_an_address_or_refused(text: str) -> None:
    try:
        checked = checked_base_url(text, allow_private=False)
    except InvalidInput as error:
        assert error.path == ("baseUrl",)
    else:
        assert checked.startswith("https://")


def test_operator_may_open_up_private_addresses_and_http_but_not_metadata() -> None:
    for url in ("http://127.0.0.1:8080/v1", "http://models.internal/v1", "https://10.0.0.1"):
        assert checked_base_url(url, allow_private=True) == url
    for url in ("http://169.254.169.254/v1", "ftp://127.0.0.1", "http://[::ffff:10.0.0.1]/v1"):
        with pytest.raises(InvalidInput):
            checked_base_url(url, allow_private=True)
