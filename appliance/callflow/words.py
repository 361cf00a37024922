"""What the box itself says to callers, per language. Counts stand after a colon, so that no sentence needs a plural."""

from __future__ import annotations

from datetime import datetime

_EN = {
    "no-flow": "No dialling flow is set for you, so this call goes nowhere. Ask whoever looks after this telephone system.",
    "fault": "Sorry. This call cannot go on because of a fault. Call again later.",
    "too-long": "This call has gone round too often and ends here.",
    "not-a-choice": "That is not one of the choices.",
    "not-available": "{name} is not available. Leave a message after the tone, then hang up or press {hash}.",
    "mailbox-full": "The mailbox of {name} takes no more messages.",
    "not-taken": "Your message cannot be taken now.",
    "kept": "Your message is saved. Goodbye.",
    "pin": "Enter the PIN, then press {hash}.",
    "wrong-pin": "That is not the PIN.",
    "locked": "This mailbox cannot be opened from here now. Try again later.",
    "no-pin": "This mailbox can be opened from its owner's phone only.",
    "no-mailbox": "There is no mailbox for you.",
    "counts": "New messages: {new}. Old messages: {old}.",
    "menu": "To listen, press 1. To record your greeting, press 3. To end, press star.",
    "menu-listen": "To listen, press 1. To end, press star.",
    "message": "Message {number}. From {caller}, {when}.",
    "message-menu": "To delete it press 7, to save it 9, for the next {hash}, to go back star.",
    "deleted": "Deleted.",
    "saved": "Saved.",
    "no-more": "There are no more messages.",
    "say-greeting": "Say your greeting after the tone, then press {hash}.",
    "greeting-is": "Callers will hear this.",
    "greeting-short": "That was too short. Nothing has changed.",
    "not-done": "That did not work. Try again later.",
    "line-test": "This is a test call from {name}. The outside line works. Goodbye.",
    "goodbye": "Goodbye.",
    "today": "today at {time}",
    "yesterday": "yesterday at {time}",
    "on": "{month} {day} at {time}",
    "months": "January February March April May June July August September October November December",
    "hash": "the hash key",
    "unknown": "an unknown caller",
}
_EN_US = {**_EN, "hash": "the pound key"}
_FR = {
    "no-flow": "Aucun scénario d'appel n'est défini pour vous, cet appel ne mène nulle part. Adressez-vous au responsable du téléphone.",
    "fault": "Désolé. Cet appel ne peut pas continuer à cause d'une panne. Rappelez plus tard.",
    "too-long": "Cet appel a tourné en rond trop souvent et s'arrête ici.",
    "not-a-choice": "Ce choix n'existe pas.",
    "not-available": "{name} n'est pas disponible. Laissez un message après le signal sonore, puis raccrochez ou appuyez sur {hash}.",
    "mailbox-full": "La messagerie de {name} ne prend plus de messages.",
    "not-taken": "Votre message ne peut pas être pris maintenant.",
    "kept": "Votre message est enregistré. Au revoir.",
    "pin": "Entrez le code, puis appuyez sur {hash}.",
    "wrong-pin": "Ce n'est pas le bon code.",
    "locked": "Cette messagerie ne peut pas être ouverte d'ici pour le moment. Réessayez plus tard.",
    "no-pin": "Cette messagerie ne s'ouvre que depuis le téléphone de son propriétaire.",
    "no-mailbox": "Il n'y a pas de messagerie pour vous.",
    "counts": "Nouveaux messages : {new}. Anciens messages : {old}.",
    "menu": "Pour écouter, tapez 1. Pour enregistrer votre annonce, tapez 3. Pour terminer, tapez étoile.",
    "menu-listen": "Pour écouter, tapez 1. Pour terminer, tapez étoile.",
    "message": "Message {number}. De {caller}, {when}.",
    "message-menu": "Pour l'effacer tapez 7, pour le garder 9, pour le suivant {hash}, pour revenir étoile.",
    "deleted": "Effacé.",
    "saved": "Gardé.",
    "no-more": "Il n'y a plus de messages.",
    "say-greeting": "Dites votre annonce après le signal sonore, puis appuyez sur {hash}.",
    "greeting-is": "Les appelants entendront ceci.",
    "greeting-short": "C'était trop court. Rien n'a changé.",
    "not-done": "Cela n'a pas fonctionné. Réessayez plus tard.",
    "line-test": "Ceci est un appel d'essai de {name}. La ligne extérieure fonctionne. Au revoir.",
    "goodbye": "Au revoir.",
    "today": "aujourd'hui à {time}",
    "yesterday": "hier à {time}",
    "on": "le {day} {month} à {time}",
    "months": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "hash": "la touche dièse",
    "unknown": "un appelant inconnu",
}
_IT = {
    "no-flow": "Per lei non è impostato alcun flusso di chiamata, quindi questa chiamata non porta da nessuna parte. Si rivolga a chi gestisce il telefono.",
    "fault": "Spiacenti. Questa chiamata non può proseguire a causa di un guasto. Richiami più tardi.",
    "too-long": "Questa chiamata ha girato troppe volte e termina qui.",
    "not-a-choice": "Questa scelta non esiste.",
    "not-available": "{name} non è disponibile. Lasci un messaggio dopo il segnale, poi riagganci o prema {hash}.",
    "mailbox-full": "La casella di {name} non accetta altri messaggi.",
    "not-taken": "Il suo messaggio non può essere preso ora.",
    "kept": "Il suo messaggio è salvato. Arrivederci.",
    "pin": "Inserisca il codice, poi prema {hash}.",
    "wrong-pin": "Il codice non è giusto.",
    "locked": "Questa casella non può essere aperta da qui adesso. Riprovi più tardi.",
    "no-pin": "Questa casella si apre solo dal telefono del proprietario.",
    "no-mailbox": "Non c'è una casella per lei.",
    "counts": "Messaggi nuovi: {new}. Messaggi vecchi: {old}.",
    "menu": "Per ascoltare prema 1. Per registrare il suo annuncio prema 3. Per finire prema asterisco.",
    "menu-listen": "Per ascoltare prema 1. Per finire prema asterisco.",
    "message": "Messaggio {number}. Da {caller}, {when}.",
    "message-menu": "Per cancellarlo prema 7, per salvarlo 9, per il prossimo {hash}, per tornare indietro asterisco.",
    "deleted": "Cancellato.",
    "saved": "Salvato.",
    "no-more": "Non ci sono altri messaggi.",
    "say-greeting": "Dica il suo annuncio dopo il segnale, poi prema {hash}.",
    "greeting-is": "Chi chiama sentirà questo.",
    "greeting-short": "Era troppo corto. Non è cambiato nulla.",
    "not-done": "Non ha funzionato. Riprovi più tardi.",
    "line-test": "Questa è una chiamata di prova da {name}. La linea esterna funziona. Arrivederci.",
    "goodbye": "Arrivederci.",
    "today": "oggi alle {time}",
    "yesterday": "ieri alle {time}",
    "on": "il {day} {month} alle {time}",
    "months": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "hash": "il tasto cancelletto",
    "unknown": "un chiamante sconosciuto",
}
_SV = {
    "no-flow": "Inget samtalsflöde är inställt för dig, så samtalet kommer ingenstans. Fråga den som sköter telefonin.",
    "fault": "Tyvärr kan samtalet inte fortsätta på grund av ett fel. Ring igen senare.",
    "too-long": "Samtalet har gått runt för många gånger och slutar här.",
    "not-a-choice": "Det valet finns inte.",
    "not-available": "{name} kan inte svara. Lämna ett meddelande efter tonen och lägg sedan på, eller tryck {hash}.",
    "mailbox-full": "Röstbrevlådan för {name} tar inte emot fler meddelanden.",
    "not-taken": "Ditt meddelande kan inte tas emot nu.",
    "kept": "Ditt meddelande är sparat. Hej då.",
    "pin": "Slå koden och tryck sedan {hash}.",
    "wrong-pin": "Det är inte rätt kod.",
    "locked": "Röstbrevlådan kan inte öppnas härifrån just nu. Försök igen senare.",
    "no-pin": "Röstbrevlådan kan bara öppnas från ägarens telefon.",
    "no-mailbox": "Det finns ingen röstbrevlåda för dig.",
    "counts": "Nya meddelanden: {new}. Gamla meddelanden: {old}.",
    "menu": "Tryck 1 för att lyssna. Tryck 3 för att spela in din hälsning. Tryck stjärna för att avsluta.",
    "menu-listen": "Tryck 1 för att lyssna. Tryck stjärna för att avsluta.",
    "message": "Meddelande {number}. Från {caller}, {when}.",
    "message-menu": "Tryck 7 för att radera, 9 för att spara, {hash} för nästa, stjärna för att gå tillbaka.",
    "deleted": "Raderat.",
    "saved": "Sparat.",
    "no-more": "Det finns inga fler meddelanden.",
    "say-greeting": "Säg din hälsning efter tonen och tryck sedan {hash}.",
    "greeting-is": "Den som ringer hör detta.",
    "greeting-short": "Det var för kort. Inget har ändrats.",
    "not-done": "Det fungerade inte. Försök igen senare.",
    "line-test": "Detta är ett testsamtal från {name}. Linjen ut fungerar. Hej då.",
    "goodbye": "Hej då.",
    "today": "i dag klockan {time}",
    "yesterday": "i går klockan {time}",
    "on": "den {day} {month} klockan {time}",
    "months": "januari februari mars april maj juni juli augusti september oktober november december",
    "hash": "fyrkant",
    "unknown": "en okänd person",
}
WORDS: dict[str, dict[str, str]] = {"en": _EN, "en-us": _EN_US, "fr": _FR, "it": _IT, "sv": _SV}
FALLBACK = "en-us"


def phrase(language: str, key: str, **holes: str | int) -> tuple[str, str]:
    """The sentence `key` and the voice to speak it with: `language` where the box knows it, else English."""
    voice = language if language in WORDS or language.partition("-")[0] in WORDS else FALLBACK
    words = WORDS.get(voice) or WORDS[voice.partition("-")[0]]
    return words[key].format(hash=words["hash"], **holes), voice


def fixed(language: str) -> tuple[tuple[str, ...], str]:
    """Every sentence that is always the same, and the voice for them."""
    _, voice = phrase(language, "goodbye")
    words = WORDS.get(voice) or WORDS[voice.partition("-")[0]]
    return tuple(phrase(language, key)[0] for key, text in words.items() if text.endswith(".") and "{" not in text.replace("{hash}", "")), voice


def when(language: str, at: datetime, now: datetime) -> str:
    """`at` as a person says it; both in the same time zone."""
    time = f"{at:%H:%M}"
    days = (now.date() - at.date()).days
    if days in (0, 1):
        return phrase(language, "yesterday" if days else "today", time=time)[0]
    month = phrase(language, "months")[0].split()[at.month - 1]
    return phrase(language, "on", time=time, day=at.day, month=month)[0]
