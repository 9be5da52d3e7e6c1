"""A connection URL means what libpq's documentation says, or is refused by the parameter's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.db.driver.target import ConnectionTarget, target_from_url
from ops_pipeline.errors import SettingsInvalid

BASE = "postgresql://me:hush@db.example.com:6000/prices"


def target(url: str) -> ConnectionTarget:
    return target_from_url(url, name="SOME_URL")


def test_each_part_is_decoded() -> None:
    found = target("postgres://m%65:p%40ss%2Fw+rd@db%2Eexample.com:6000/pri%20ces")
    assert (found.user, found.password, found.host) == ("me", "p@ss/w+rd", "db.example.com")
    assert (found.port, found.database) == (6000, "pri ces")


def test_parts_may_stand_in_parameters() -> None:
    found = target("postgresql://?host=a&port=7&dbname=d&user=u&password=p%26")
    assert (found.hosts, found.database, found.user, found.password) == (
        (("a", 7),), "d", "u", "p&",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("a", [("a", 5432)]),
        ("a:1,b:2,c", [("a", 1), ("b", 2), ("c", 5432)]),
        ("[::1]:1,127.0.0.1", [("::1", 1), ("127.0.0.1", 5432)]),
    ],
)
def test_hosts_are_tried_in_their_order(hosts: str, expected: list[tuple[str, int]]) -> None:
    assert list(target(f"postgresql://me@{hosts}/d").hosts) == expected


def test_one_port_is_all_hosts_and_otherwise_each_has_its_own() -> None:
    assert target("postgresql://me@/d?host=a,b&port=7").hosts == (("a", 7), ("b", 7))
    assert target("postgresql://me@/d?host=a,b&port=7,8").hosts == (("a", 7), ("b", 8))
    with pytest.raises(SettingsInvalid, match="more ports than hosts"):
        target("postgresql://me@/d?host=a,b,c&port=7,8")


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("localhost", "prefer"),
        ("127.0.0.1", "prefer"),
        ("127.9.9.9", "prefer"),
        ("[::1]", "prefer"),
        ("db", "verify-full"),
        ("10.0.0.1", "verify-full"),
        ("localhost.example.com", "verify-full"),
        ("127.0.0.1.example.com", "verify-full"),
    ],
)
def test_off_loopback_a_server_must_prove_who_it_is(host: str, mode: str) -> None:
    found = target(f"postgresql://me@{host}/d")
    assert found.sslmode_at(found.host) == mode


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_an_sslmode_that_is_said_holds_everywhere(mode: str) -> None:
    found = target(f"{BASE}?sslmode={mode}")
    assert {found.sslmode_at(host) for host in ("127.0.0.1", found.host)} == {mode}


def test_a_list_of_hosts_asks_each_for_its_own_proof() -> None:
    found = target("postgresql://me@localhost,db/d")
    assert [found.sslmode_at(host) for host, _ in found.hosts] == ["prefer", "verify-full"]


def test_authorities_that_are_named_are_asked() -> None:
    found = target(f"{BASE}?sslmode=require&sslrootcert=%2Fca.pem")
    assert (found.sslrootcert, found.sslmode_at("db")) == ("/ca.pem", "verify-ca")
    assert target(f"{BASE}?sslrootcert=system").sslmode == "verify-full"
    assert target(f"{BASE}?ssl=true").sslmode == "require"


def test_the_other_parameters_are_kept() -> None:
    found = target(
        f"{BASE}?connect_timeout=7&options=-c%20geqo%3Doff&application_name=my+app%20x"
        "&target_session_attrs=any&gssencmode=disable"
    )
    assert (found.connect_timeout_s, found.options) == (7, "-c geqo=off")
    assert found.application_name == "my+app x"
    assert target(f"{BASE}?connect_timeout=0").connect_timeout_s is None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sslmode=allow", "sslmode that is none of disable, prefer, require"),
        ("sslmode=Verify-Full", "sslmode that is none of"),
        ("sslmode=require&sslrootcert=system", "sslrootcert=system, which takes"),
        ("sslkey=secret.key", "says sslkey, which is not supported"),
        ("sslcert=a", "says sslcert, which"),
        ("service=a", "says service, which"),
        ("passfile=a", "says passfile, which"),
        ("hostaddr=1.2.3.4", "says hostaddr, which"),
        ("channel_binding=require", "says channel_binding other than prefer, which"),
        ("target_session_attrs=read-write", "says target_session_attrs other than any"),
        ("gssencmode=require", "says gssencmode other than disable"),
        ("ssl=false", "says ssl other than true"),
        ("nonsense=1", "says nonsense, which is not supported"),
        ("connect_timeout=soon", "connect_timeout that is no number"),
        ("sslmode", "a parameter that is no name=value"),
        ("a-b=1", "a parameter that is no name=value"),
        ("host=/var/run/postgresql", "names a Unix socket"),
        ("host=%2Fvar%2Frun", "names a Unix socket"),
        ("host=", "names no host"),
        ("port=0", "a port that is no number"),
        ("port=65536", "a port that is no number"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(query: str, says: str) -> None:
    url = BASE if not query.startswith("port") else "postgresql://me:hush@db/prices"
    with pytest.raises(SettingsInvalid, match=f"SOME_URL .*{says}") as refused:
        target(f"{url}?{query}")
    assert "hush" not in str(refused.value)
    assert "secret.key" not in str(refused.value)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    url = f"postgresql://{text}"
    try:
        found = target(url)
    except SettingsInvalid:
        return
    assert found.hosts[0][0]
    assert found.user
