"""The control socket's frames, parameters and default place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control import protocol
from appliance.control.protocol import METHODS, ProtocolError, RpcCode, checked, decode, default_control, encode, parse_request
from appliance.errors import ControlError, DocumentError, Problem
from appliance.types import Address


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET / HTTP/1.1",
        b"\xff\xfe",
        b"{",
        b'{"a":NaN}',
        b"[" * 200_000,
        b'{"id":' + b"1" * 10_000 + b"}",
        "\ud800".encode("utf-8", "surrogatepass"),
        b"\x16\x03\x01",
    ],
)
def test_what_is_no_json_is_refused_and_the_stream_given_up(line):
    with pytest.raises(ProtocolError) as caught:
        parse_request(line)
    assert caught.value.fatal
    assert caught.value.rpc == RpcCode.PARSE


@pytest.mark.parametrize(
    "message",
    [
        [],
        5,
        "x",
        None,
        {"id": 1},
        {"id": 1, "method": 5},
        {"id": True, "method": "x"},
        {"id": {}, "method": "x"},
        {"id": 1.5, "method": "x"},
        {"jsonrpc": "1.0", "method": "x", "id": 1},
    ],
)
def test_what_is_no_request_is_refused_and_the_stream_kept(message):
    with pytest.raises(ProtocolError) as caught:
        parse_request(json.dumps(message).encode())
    assert not caught.value.fatal
    assert caught.value.rpc == RpcCode.INVALID_REQUEST


def test_positional_parameters_are_refused_with_the_request_s_id():
    with pytest.raises(ProtocolError) as caught:
        parse_request(b'{"id": 7, "method": "status", "params": [1]}')
    assert (caught.value.rpc, caught.value.id) == (RpcCode.PARAMS, 7)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_a_protocol_error(data):
    try:
        found = parse_request(data)
    except ProtocolError as error:
        assert error.sentence
    else:
        assert isinstance(found.method, str)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=5))
def test_a_frame_is_one_line_and_comes_back_equal(data):
    frame = encode(data)
    assert frame.count(b"\n") == 1
    assert frame.endswith(b"\n")
    assert decode(frame[:-1]) == data


def test_bytes_and_nan_do_not_go_out():
    with pytest.raises(TypeError):
        encode({"a": b"x"})
    with pytest.raises(ValueError):
        encode({"a": float("nan")})
    assert encode({"a": Address("127.0.0.1", 5060)}) == b'{"a":"udp:127.0.0.1:5060"}\n'


def test_a_refusal_carries_everything_the_error_knows():
    error = DocumentError("two problems", (Problem("users.x", "is wrong", "mend it"),))
    data = decode(protocol.refusal(3, error)[:-1])
    assert data["error"]["data"] == error.as_dict()
    assert data["error"]["data"]["problems"] == [{"path": "users.x", "sentence": "is wrong", "hint": "mend it"}]


def test_parameters_get_their_defaults_and_every_mistake_is_named():
    assert checked(METHODS["trace"].params, {}) == {"selector": "", "limit": 400}
    with pytest.raises(ProtocolError) as caught:
        checked(METHODS["trace"].params, {"limit": "5", "depth": 1})
    assert caught.value.rpc == RpcCode.PARAMS
    assert "limit" in caught.value.sentence
    assert "depth" in caught.value.sentence
    with pytest.raises(ProtocolError):
        checked(METHODS["status"].params, {"x": 1})


def test_methods_are_closed_to_other_roles_unless_said():
    assert all(not method.roles for method in METHODS.values())


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"HOLDFAST_CONTROL": "/run/x.sock", "HOLDFAST_DATA": "/data"}, "/run/x.sock"),
        ({"HOLDFAST_DATA": "/data"}, "/data/run/control.sock"),
        ({"XDG_STATE_HOME": "/state", "HOLDFAST_DATA": " "}, "/state/holdfast/run/control.sock"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/state/holdfast/run/control.sock"),
    ],
)
def test_the_default_socket_is_where_the_engine_puts_it(env, path):
    assert str(default_control(env)) == path


def test_a_home_of_nobody_is_one_sentence():
    with pytest.raises(ControlError, match="home folder"):
        default_control({"HOLDFAST_CONTROL": "~no-such-user-here/x"})
