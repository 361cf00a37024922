"""pjsua2's configuration objects for the endpoint, its transports and its accounts; nothing here decides anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pjsua2 as pj

from appliance.types import Address, Transport, TrunkId

MAX_LEGS = 512
MAX_MEDIA_PORTS = 1020
MAX_TRANSPORTS = 8
"""The library's own limit (pjsua_internal.h, tpdata)."""
BRIDGE_RATE_HZ = 8000
"""G.711 is never resampled; wideband calls meet by forwarding, and only one that is mixed or transcoded is narrowed."""
LOG_LEVEL = 2
REG_BY_OWN_ROUTE = 2
"""PJSUA_REG_USE_ACC_PROXY of pjsua.h, which the binding leaves out."""
CODECS = {"pcmu": "PCMU/8000", "pcma": "PCMA/8000", "g722": "G722/16000", "opus": "opus/48000"}


@dataclass(frozen=True, slots=True)
class MediaPorts:
    """Where a call's RTP sockets are made."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class TrunkAccount:
    """A trunk as the endpoint needs it. `ip` is the address its host resolves to now; `local` the box's own address it leaves from."""

    id: TrunkId
    host: str
    ip: str
    port: int
    transport: Transport
    local: Address
    username: str = ""
    auth_username: str = ""
    secret: str = field(default="", repr=False)
    register_s: int = 300
    advertised: str = ""


def endpoint_config(user_agent: str) -> pj.EpConfig:
    """No worker threads: the SIP thread polls. One media thread; the bridge runs off a null sound device."""
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = MAX_LEGS
    config.uaConfig.userAgent = user_agent
    config.uaConfig.natTypeInSdp = 0
    config.medConfig.hasIoqueue = True
    config.medConfig.threadCnt = 1
    config.medConfig.clockRate = BRIDGE_RATE_HZ
    config.medConfig.maxMediaPorts = MAX_MEDIA_PORTS
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    config.logConfig.level = config.logConfig.consoleLevel = LOG_LEVEL
    config.logConfig.msgLogging = 0
    return config


def host_text(ip: str) -> str:
    """An address as it stands in a URI."""
    return f"[{ip}]" if ":" in ip else ip


def contact(user: str, ip: str, port: int, transport: Transport) -> str:
    """`<sip:user@ip:port;transport=…>`."""
    tail = "" if transport is Transport.UDP else f";transport={transport}"
    return f"<sip:{user}{'@' if user else ''}{host_text(ip)}:{port}{tail}>"


def transport_config(ip: str, port: int, tls: tuple[Path, Path] | None = None) -> pj.TransportConfig:
    """Bound to one address: pjsip then never asks what the machine is called."""
    config = pj.TransportConfig()
    config.boundAddress = ip
    config.port = port
    if tls is not None:
        config.tlsConfig.certFile, config.tlsConfig.privKeyFile = str(tls[0]), str(tls[1])
        config.tlsConfig.method = pj.PJSIP_TLSV1_2_METHOD
        # A dead peer's handshake must end by itself.
        config.tlsConfig.msecTimeout = 10_000
    return config


def ports(addresses: tuple[str, ...], port: int, tls_port: int) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """What to listen on, and what there is no room for: of many addresses the last go without TLS, then without TCP, then altogether.

    `tls_port` 0: no TLS anywhere.
    """
    kinds = (Transport.UDP, Transport.TCP, *((Transport.TLS,) if tls_port else ()))
    wanted = [Address(ip, tls_port if kind is Transport.TLS else port, kind) for ip in addresses for kind in kinds]
    expendable = [address for kind in reversed(kinds) for address in reversed(wanted) if address.transport is kind and address.ip != addresses[0]]
    out = set(expendable[: max(0, len(wanted) - MAX_TRANSPORTS)])
    return tuple(each for each in wanted if each not in out), tuple(each for each in wanted if each in out)


def transport_kind(local: Address) -> int:
    """pjsip's number of a transport (pjsip_transport_type_e)."""
    four, six = {
        Transport.UDP: (pj.PJSIP_TRANSPORT_UDP, pj.PJSIP_TRANSPORT_UDP6),
        Transport.TCP: (pj.PJSIP_TRANSPORT_TCP, pj.PJSIP_TRANSPORT_TCP6),
        Transport.TLS: (pj.PJSIP_TRANSPORT_TLS, pj.PJSIP_TRANSPORT_TLS6),
    }[local.transport]
    return int(six if ":" in local.ip else four)


def lan_account(local: Address, transport_id: int, media: MediaPorts, advertised: str) -> pj.AccountConfig:
    """The sender of calls to phones on one of the box's addresses."""
    config = pj.AccountConfig()
    shown = advertised or local.ip
    config.idUri = f"sip:holdfast@{host_text(shown)}:{local.port}"
    config.sipConfig.contactForced = contact("holdfast", shown, local.port, local.transport)
    config.sipConfig.transportId = transport_id
    _common(config, local, media, advertised)
    if local.transport is Transport.TLS:
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL
        config.mediaConfig.srtpSecureSignaling = 0
    return config


def trunk_account(trunk: TrunkAccount, transport_id: int, media: MediaPorts) -> pj.AccountConfig:
    """A trunk: everything goes to its resolved address by a hidden route, so that URIs keep its host name and nothing asks a resolver."""
    config = pj.AccountConfig()
    user = trunk.username or "holdfast"
    config.idUri = f"sip:{user}@{host_text(trunk.host)}"
    shown = trunk.advertised or trunk.local.ip
    config.sipConfig.contactForced = contact(user, shown, trunk.local.port, trunk.transport)
    config.sipConfig.transportId = transport_id
    config.sipConfig.proxies.append(f"sip:{host_text(trunk.ip)}:{trunk.port};transport={trunk.transport};lr;hide")
    if trunk.username:
        config.regConfig.registrarUri = f"sip:{host_text(trunk.host)}"
        config.regConfig.timeoutSec = trunk.register_s
        config.regConfig.retryIntervalSec = 15
        config.regConfig.firstRetryIntervalSec = 2
        config.regConfig.randomRetryIntervalSec = 5
        config.regConfig.proxyUse = REG_BY_OWN_ROUTE
        config.regConfig.dropCallsOnFail = False
        credential = pj.AuthCredInfo("digest", "*", trunk.auth_username or trunk.username, 0, trunk.secret)
        config.sipConfig.authCreds.append(credential)
    _common(config, trunk.local, media, trunk.advertised)
    return config


def _common(config: pj.AccountConfig, local: Address, media: MediaPorts, advertised: str) -> None:
    m = config.mediaConfig
    # Anything but DISABLED makes pjsua look up the machine's own name at every call.
    m.ipv6Use = pj.PJSUA_IPV6_ENABLED if ":" in local.ip else pj.PJSUA_IPV6_DISABLED
    m.transportConfig.boundAddress = local.ip
    m.transportConfig.publicAddress = advertised
    m.transportConfig.port, m.transportConfig.portRange = media.first, media.count
    m.transportConfig.randomizePort = True
    m.streamKaEnabled = False
    m.lockCodecEnabled = False
    m.srtpUse = pj.PJMEDIA_SRTP_DISABLED
    m.rtcpMuxEnabled = False
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
    config.callConfig.timerMinSESec = 90
    config.natConfig.contactRewriteUse = config.natConfig.viaRewriteUse = config.natConfig.sdpNatRewriteUse = 0
    config.natConfig.sipOutboundUse = config.natConfig.contactUseSrcPort = 0
    config.natConfig.udpKaIntervalSec = 15 if advertised else 0
