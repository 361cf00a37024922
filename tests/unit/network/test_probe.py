"""Questions to the outside, put to real sockets of this machine: what answers, what is silent, and what is nonsense."""

from __future__ import annotations

import asyncio
import socket
import threading

import dns.message
import dns.rcode
import dns.rrset
import pytest

from appliance.network.probe import gateway_answers, host_answers, names_answer, split_probe
from appliance.network.wan_state import Answer
from tests.support.ports import free_port


def answered(reply: object) -> tuple[Answer, str]:
    """What is thought of a name server that says `reply` (a function of the question, None: silence)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            data, who = server.recvfrom(2000)
            said = reply(dns.message.from_wire(data)) if callable(reply) else reply
            if said is not None:
                server.sendto(said if isinstance(said, bytes) else said.to_wire(), who)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        found = asyncio.run(names_answer(*server.getsockname(), "sip.carrier.example", 5.0 if reply is not None else 0.2))
        thread.join(5.0)
        return found


def with_address(ip: str):
    def reply(query: dns.message.Message) -> dns.message.Message:
        made = dns.message.make_response(query)
        made.answer.append(dns.rrset.from_text("sip.carrier.example.", 60, "IN", "A", ip))
        return made

    return reply


def refused(query: dns.message.Message) -> dns.message.Message:
    made = dns.message.make_response(query)
    made.set_rcode(dns.rcode.NXDOMAIN)
    return made


@pytest.mark.parametrize(
    ("reply", "answer", "said"),
    [
        (with_address("198.51.100.10"), Answer.GOOD, ""),
        (with_address("0.0.0.0"), Answer.NONSENSE, "sip.carrier.example would be at 0.0.0.0"),
        (refused, Answer.NONSENSE, "NXDOMAIN"),
        (lambda query: query.to_wire()[:2] + b"\xff" * 30, Answer.NONSENSE, "no DNS answer"),
        (None, Answer.SILENT, ""),
    ],
)
def test_name_servers(reply: object, answer: Answer, said: str) -> None:
    assert answered(reply) == (answer, said)


def test_a_host_that_refuses_lives_and_one_that_takes_a_connection_too() -> None:
    port = free_port("127.0.0.1")
    assert asyncio.run(host_answers("127.0.0.1", port, 5.0)) == (Answer.GOOD, "refuses the connection")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert asyncio.run(host_answers("127.0.0.1", server.getsockname()[1], 5.0)) == (Answer.GOOD, "takes a connection")


def test_a_gateway_that_refuses_a_datagram_is_there() -> None:
    assert asyncio.run(gateway_answers("127.0.0.1", 5.0))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.7:8443", ("192.0.2.7", 8443)),
        ("192.0.2.7", ("192.0.2.7", 443)),
        ("probe.example", ("probe.example", 443)),
        ("2001:db8::1", ("2001:db8::1", 443)),
    ],
)
def test_the_written_form_of_a_probe(text: str, found: tuple[str, int]) -> None:
    assert split_probe(text) == found
