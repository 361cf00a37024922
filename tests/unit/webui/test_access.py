"""Claim codes and accounts, without a browser."""

import time

import pytest

from appliance.errors import DocumentError
from appliance.site import claim
from appliance.site.document import parse
from appliance.site.store import SiteStore
from appliance.site.vault import Vault, password_hash
from tests.support.web import DANA, INSTALLER, PASSWORD, office
from webui.accounts import Accounts
from webui.place import Place


@pytest.fixture
def data(tmp_path):
    site, secrets = parse(office())
    SiteStore(tmp_path / "site").save(site, author="tests", comment="", now=time.time())
    Vault(tmp_path).put(secrets)
    return tmp_path


def test_the_code_is_made_once_and_easy_to_read(tmp_path):
    code = claim.make_claim_code(tmp_path)
    assert claim.make_claim_code(tmp_path) == code == claim.claim_code(tmp_path)
    assert len(code) == 9
    assert set(code) <= set(claim.ALPHABET) | {"-"}
    assert not set(claim.ALPHABET) & set("IO01")
    claim.forget_claim_code(tmp_path)
    assert claim.claim_code(tmp_path) is None
    assert claim.make_claim_code(tmp_path) != code


def test_only_the_first_claims(tmp_path):
    claim.make_claim_code(tmp_path)
    assert claim.claim(tmp_path, claim.FirstAccount("dana", "Dana", password_hash(PASSWORD)))
    assert not claim.claim(tmp_path, claim.FirstAccount("mallory", "Mallory", password_hash(PASSWORD)))
    assert claim.first_account(tmp_path).id == "dana"
    assert claim.claim_code(tmp_path) is None
    accounts = Accounts(Place(tmp_path))
    assert accounts.claimed()
    assert accounts.check("dana", PASSWORD).role == "administrator"


def test_people_sign_in_by_name_or_e_mail_with_their_role(data):
    accounts = Accounts(Place(data))
    assert accounts.check(DANA, PASSWORD).role == "administrator"
    assert accounts.check(" DANA@Tidewater.example ", PASSWORD).key == DANA
    assert accounts.check(INSTALLER, PASSWORD).role == "installer"
    assert accounts.check("user-201", PASSWORD).role == "user"
    assert accounts.check("user-202", PASSWORD) is None  # has none
    assert accounts.check(DANA, PASSWORD + "x") is None
    assert accounts.check("", "") is None


def test_the_sites_own_administrator_takes_over_from_who_claimed(data):
    claim.save_first_account(data, claim.FirstAccount("mallory", "Mallory", password_hash(PASSWORD)))
    claim.make_claim_code(data)
    accounts = Accounts(Place(data))
    assert accounts.check("mallory", PASSWORD) is None
    assert claim.first_account(data) is None
    assert claim.claim_code(data) is None


def test_who_claimed_is_kept_as_long_as_the_revision_is_on_trial(data):
    claim.save_first_account(data, claim.FirstAccount("early", "Early", password_hash(PASSWORD)))
    (data / "site" / "confirm.json").write_text("{}")
    assert Accounts(Place(data)).claimed()
    assert claim.first_account(data).id == "early"


def test_a_new_password_counts_at_once_and_changes_the_stamp(data):
    accounts = Accounts(Place(data))
    before = accounts.check(DANA, PASSWORD)
    accounts.set_password(before, "another password")
    assert accounts.check(DANA, PASSWORD) is None
    after = accounts.check(DANA, "another password")
    assert after.id == before.id
    assert after.stamp != before.stamp
    with pytest.raises(DocumentError):
        accounts.set_password(after, "short")
    with pytest.raises(DocumentError):
        accounts.set_password(after, DANA + DANA)


def test_an_administrator_without_a_password_claims_nothing(tmp_path):
    document = office()
    for person in document["administrators"].values():
        person.pop("password")
    SiteStore(tmp_path / "site").save(parse(document)[0], author="tests", comment="", now=time.time())
    assert not Accounts(Place(tmp_path)).claimed()


def test_a_site_that_loses_its_administrators_can_be_claimed_again(data):
    accounts = Accounts(Place(data))
    assert accounts.claimed()
    document = office()
    document["administrators"] = {}
    SiteStore(data / "site").save(parse(document)[0], author="tests", comment="", now=time.time())
    assert not accounts.claimed()
