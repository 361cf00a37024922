"""What a failed test call is said to mean."""

import pytest

from appliance.app.line_faults import no_address, not_called, not_signed_in
from appliance.site.model.lines import Trunk

TRUNK = Trunk(name="Acme", host="sip.acme.example", username="harbour")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (0, "does not answer at port 5060 over UDP"), (403, "does not allow this call"), (404, "does not know the number +12025550177"),
        (480, "nobody took the call"), (486, "is busy"), (488, "none of the codecs"), (503, "fault of its own"), (603, "declined"), (433, "refuses the call"),
    ],
)  # fmt: skip
def test_a_call(code, cause):
    said, cure = not_called(TRUNK, "+12025550177", code, "Why")
    assert cause in said
    assert cure
    assert not said.endswith(".")
    assert not cure.endswith(".")


@pytest.mark.parametrize(("code", "cause"), [(0, "does not answer"), (403, "user name or the password"), (404, "the user harbour"), (500, "does not let")])
def test_signing_in(code, cause):
    assert cause in not_signed_in(TRUNK, code, "Why")[0]


def test_a_name_that_leads_nowhere():
    assert "leads nowhere" in no_address(TRUNK, "the name sip.acme.example has no address yet")[0]
    assert "cannot reach" in no_address(TRUNK, "the box does not listen on any address over tcp")[0]
