from __future__ import annotations

import pytest

from graft.adding import PASSWORD_VARIABLE, sort_given
from graft.config import Config, parse_config
from graft.database_settings import holds_password, is_database_url, public_database_url
from graft.errors import BadInput, ConfigError, MissingPrerequisite, UsageError


def problems(text):
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert "s3cret" not in str(caught.value)
    return caught.value.why


def test_sources_are_read_with_their_names():
    config = parse_config(
        '[sources.shop]\nurl = "sqlite:///shop.db"\ntables = ["Album"]\nrow_limit = 5\n'
        '[sources.crm]\nurl = "postgresql://graft@host/crm"\nschema = "sales"\n'
        'password_env = "CRM_PASSWORD"\n'
    )
    assert list(config.sources) == ["shop", "crm"]
    assert config.sources["shop"].tables == ("Album",)
    assert config.sources["shop"].row_limit == 5
    assert config.sources["crm"].row_limit == 10_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[sources.a]\nurl = "mysql://me:s3cret@host/db"', "holds a password"),
        ('[sources.a]\nurl = "mssql://me@host/db?PWD=s3cret"', "holds a password"),
        ('[sources.a]\nurl = "shop.db"', "sources.a.url"),
        ('[sources.a]\nurl = "https://host/db"', "sources.a.url"),
        ("[sources.a]", "'sources.a.url' is missing"),
        ('[sources.a]\nurl = "sqlite:///a.db"\ntabels = []', "did you mean 'sources.a.tables'?"),
        ('[sources.a]\nurl = "sqlite:///a.db"\nrow_limit = 0', "row_limit"),
        ('[sources.a]\nurl = "sqlite:///a.db"\nrow_limit = "all"', "row_limit"),
        ('[sources.a]\nurl = "sqlite:///a.db"\ntables = ["t"]\nquery = "SELECT 1"', "either"),
        ('[sources.a]\nurl = "mysql://host/a"\npassword_env = "s3cret!"', "not hold the password"),
        ('[sources."a/b"]\nurl = "sqlite:///a.db"', "letters, digits"),
        ('sources = ["a"]', "each under [sources.NAME]"),
        ("[sources]\na = 1", "each under [sources.NAME]"),
    ],
)
def test_what_is_wrong_with_a_source_is_named(text, said):
    assert said in problems(text)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("postgresql+psycopg://me:p/w@host:5/db?sslmode=x#y", "postgresql://host:5/db"),
        ("mysql://me@host/db", "mysql://host/db"),
        ("sqlite:///data/me@home.db", "sqlite:///data/me@home.db"),
        ("sqlite:////data/a:b@c.db", "sqlite:////data/a:b@c.db"),
    ],
)
def test_a_public_address_has_no_user(url, public):
    assert public_database_url(url) == public


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("mysql://me:x@host/db", True),
        ("mysql://me:x%40y@host/db", True),
        ("postgresql://host/db?password=x", True),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dy", True),
        ("mysql://me@host:3306/db", False),
        ("postgresql://host:5432/db?sslmode=require", False),
        ("sqlite:////data/a:b@c.db", False),
    ],
)
def test_a_password_in_an_address_is_seen(url, holds):
    assert holds_password(url) == holds


def test_paths_are_no_addresses():
    assert not any(map(is_database_url, ("docs/", "a.db", "C:\\a", "http://a", "file:///a", "")))


def test_what_is_given_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_PASSWORD", "hush")
    (tmp_path / "docs").mkdir()
    config = parse_config('[sources.shop]\nurl = "mysql://a@h/x"\npassword_env = "SHOP_PASSWORD"')
    given = sort_given(["docs", "shop", "sqlite:///a/b.db"], config, tmp_path)
    assert given.paths == [tmp_path / "docs"]
    shop, file = given.databases
    assert (shop.name, shop.password) == ("shop", "hush")
    assert shop.roots == ("sources://shop", "mysql://h/x")
    assert (file.name, file.roots) == ("b", ("sqlite:///a/b.db",))
    assert file.url == f"sqlite:///{tmp_path}/a/b.db"
    assert "hush" not in repr(given)


def test_a_file_of_a_source_is_looked_for_from_the_workspace(tmp_path):
    config = parse_config('[sources.shop]\nurl = "sqlite:///data/b.db"')
    [shop] = sort_given(["shop"], config, tmp_path).databases
    assert shop.url == f"sqlite:///{tmp_path}/data/b.db"


def test_a_password_in_a_given_address_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(UsageError) as caught:
        sort_given(["postgresql://me:s3cret@host/db"], Config(), tmp_path)
    assert "s3cret" not in str(caught.value) and PASSWORD_VARIABLE in caught.value.next_step


def test_a_password_that_is_not_set_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    config = parse_config('[sources.shop]\nurl = "mysql://a@h/x"\npassword_env = "SHOP_PASSWORD"')
    with pytest.raises(MissingPrerequisite, match="no password for the source shop"):
        sort_given(["shop"], config, tmp_path)


def test_a_name_written_wrong_is_met_with_the_near_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = parse_config('[sources.shop]\nurl = "mysql://a@h/x"')
    with pytest.raises(BadInput) as caught:
        sort_given(["shpo"], config, tmp_path)
    assert caught.value.next_step == "graft add shop"
