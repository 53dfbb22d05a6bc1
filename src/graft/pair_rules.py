"""What makes a single training pair unfit: rules over question and answers alone.

A rule names what is wrong, never the text that is: a key in a log is a key that has leaked twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["flags_of", "luhn", "reasons_against"]

MOST_CHARACTERS = 20_000
# Zero-width and bidirectional controls, tags, and controls but tab and line ends. Joiners stay:
# some scripts are written with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f]"
)
_TEMPLATE = re.compile(
    r"<\|[A-Za-z0-9_ ]{1,40}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>", re.IGNORECASE
)
_ACTIVE = re.compile(
    r"<\s*(?:script|iframe|object|embed|svg|style)\b|\bjavascript:|\bon[a-z]{3,20}\s*=\s*[\"']",
    re.IGNORECASE,
)
_SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY",
    "an access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\bgh[pousr]_[0-9A-Za-z]{36}\b|\bgithub_pat_[0-9A-Za-z_]{40,90}\b"
    r"|\bxox[abeprs]-[0-9A-Za-z-]{10,200}|\bsk-[0-9A-Za-z_-]{20,200}\b"
    r"|\bglpat-[0-9A-Za-z_-]{20}\b|\bhf_[0-9A-Za-z]{30,40}\b",
    "a signed token": r"\beyJ[0-9A-Za-z_-]{10,2000}\.eyJ[0-9A-Za-z_-]{10,2000}\.[0-9A-Za-z_-]{10,}",
    "a password or key": r"(?i)\b(?:api[_ -]?key|secret|token|passw(?:or)?d|passwort)\b\s*[:=]\s*"
    r"[\"']?(?=[^\s\"']*[0-9])(?=[^\s\"']*[A-Za-z])[^\s\"']{10,200}",
    "credentials in an address": r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,80}:[^\s/@]{3,80}@",
    "a social security number": r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b",
}
_SECRET = {name: re.compile(rule) for name, rule in _SECRETS.items()}
_DIGITS = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-])")
_PERSONAL = {
    "an e-mail address": re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b"),
    "a telephone number": re.compile(
        r"(?<!\w)\+\d{1,3}[ ./-]?(?:\(?\d{1,4}\)?[ ./-]?){2,5}\d{2,4}\b"
    ),
}


def reasons_against(question: str, answers: Sequence[str]) -> list[str]:
    """Return why a pair may not be trained on; an empty list means that it may.

    >>> reasons_against("How long?", ["How long?"])
    ['the answer says what the question says']
    """
    return list(_reasons(question, answers))


def _reasons(question: str, answers: Sequence[str]) -> Iterator[str]:
    texts = (question, *answers)
    if max(map(len, texts)) > MOST_CHARACTERS:
        yield f"longer than {MOST_CHARACTERS:,} characters"
        return
    whole = "\n".join(texts)
    if not any(sign.isalnum() for sign in question):
        yield "the question has no letter and no digit"
    asked = _plain(question)
    if asked and any(_plain(answer) == asked for answer in answers):
        yield "the answer says what the question says"
    if _INVISIBLE.search(whole):
        yield "invisible characters"
    if _TEMPLATE.search(whole):
        yield "signs of a chat template"
    if _ACTIVE.search(whole):
        yield "markup that acts"
    for name, rule in _SECRET.items():
        if rule.search(whole):
            yield name
    if any(luhn(found.group()) for found in _DIGITS.finditer(whole)):
        yield "a card number"


def flags_of(question: str, answers: Sequence[str]) -> list[str]:
    """Return what of a pair should be looked at, though it is trained on."""
    whole = "\n".join((question, *answers))[:MOST_CHARACTERS]
    return [name for name, rule in _PERSONAL.items() if rule.search(whole)]


def luhn(text: str) -> bool:
    """Tell whether the digits of a text end in the check digit of a card (ISO/IEC 7812-1).

    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(sign) for sign in text if sign.isdigit()]
    if len(set(digits)) < 2:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _plain(text: str) -> str:
    """Return a text without case, spacing and what stands around it; signs within it stay."""
    return " ".join(text.casefold().split()).strip(" ?!.,:;\"'")
