"""What an unsuccessful test call over a trunk means, and what to do about it (pure)."""

from __future__ import annotations

from appliance.site.model.lines import Trunk


def no_address(trunk: Trunk, reason: str) -> tuple[str, str]:
    """The trunk could not even be tried; `reason` as `TrunkState` has it."""
    if "listen" in reason:
        return f"The box cannot reach {trunk.host}: {reason}", "Look at the network step: the box needs an address that leads there"
    return f"The name {trunk.host} leads nowhere", "Compare it with what the provider wrote, and look whether name service answers (`holdfast network`)"


def not_signed_in(trunk: Trunk, code: int, reason: str) -> tuple[str, str]:
    """The provider did not take the sign-in; `code` 0: it said nothing."""
    if code in {0, 408}:
        return _silent(trunk)
    if code in {401, 403, 407}:
        return (
            f"The provider refuses the user name or the password ({code} {reason})",
            "Type both again as the provider wrote them; some want the sign-in name in a field of its own",
        )
    if code == 404:
        return f"The provider does not know the user {trunk.username} at {trunk.host} (404)", "Compare user name and server with what the provider wrote"
    return f"The provider does not let the box sign in ({code} {reason})", "Ask the provider what this answer means for your account"


def not_called(trunk: Trunk, to: str, code: int, reason: str) -> tuple[str, str]:
    """The call itself was not answered; `code` 0: there was no word of it."""
    said = f"{code} {reason}".strip()
    match code:
        case 0 | 408:
            return _silent(trunk)
        case 401 | 407:
            return f"The provider refuses the user name or the password ({said})", "Type both again as the provider wrote them"
        case 403:
            return (
                f"The provider does not allow this call ({said})",
                "Often the number shown is not one of the account: compare the site's main number, and ask whether calls of this kind are allowed",
            )
        case 404 | 484 | 485:
            return f"The provider does not know the number {to} ({said})", "If it is right, choose another way to write numbers in the line's settings"
        case 480 | 487:
            return "The line works: it rang there, and nobody took the call", "Try again with the phone in your hand"
        case 486 | 600:
            return "The line works: the number is busy", "Try again, or call another number"
        case 603:
            return "The line works: the call was declined there", "Try again, and take the call"
        case 415 | 488 | 606:
            return f"The provider takes none of the codecs offered ({said})", "Ask which ones it takes, and put them first in the line's settings"
    if code >= 500:
        return f"The provider has a fault of its own ({said})", "Try again in a minute; if it stays, give the provider this answer and the time"
    return f"The provider refuses the call ({said})", "Ask the provider what this answer means for your account"


def not_over_modem(code: int, reason: str) -> tuple[str, str]:
    """The modem's call was not answered; `code` 0: it did not say that it dials."""
    match code:
        case 0:
            return "The modem does not answer", "Look at what is wrong with it, above; take its power away for ten seconds"
        case 480 | 487:
            return "The modem works: it rang there, and nobody took the call", "Try again with the phone in your hand"
        case 486:
            return "The modem works: the number is busy", "Try again, or call another number"
    return reason, "Look at what is wrong with the modem; where it is well, ask the operator whether this SIM card may call that number"


def unheard() -> tuple[str, str]:
    """It was answered, and no sound came back."""
    return (
        "It was answered, but no sound came from there",
        "If you spoke: the router hides the box. Write its public address into the line's settings, or open the box's sound ports there",
    )


def _silent(trunk: Trunk) -> tuple[str, str]:
    return (
        f"{trunk.host} does not answer at port {trunk.port} over {trunk.transport.upper()}",
        "Compare server, port and transport with what the provider wrote, and look whether the router lets SIP out",
    )
