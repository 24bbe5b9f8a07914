"""Keyed hashes: how patients and addresses are told apart without being named."""

import hashlib
import hmac
import unicodedata

KEY_HEX_DIGITS = 32


def keyed_hash(text: str, key: bytes, *, purpose: str) -> str:
    """HMAC-SHA-256 (RFC 2104) of a purpose and a text, cut to 128 bits, as 32 hex digits.

    Parameters
    ----------
    text : str
        Already normalised; see :func:`normalise`.
    key : bytes
        The company's secret. Without it a hash of a name could be found by trying names.
    purpose : str
        Separates the spaces, so that a patient's and an address's key never compare equal.
    """
    if not key:
        raise ValueError("the hashing key is empty")
    return hmac.new(key, f"{purpose}\x1f{text}".encode(), hashlib.sha256).hexdigest()[:KEY_HEX_DIGITS]


def normalise(text: str) -> str:
    """Case, accents, punctuation and spacing removed, so that one person or place written two ways hashes alike."""
    stripped = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join("".join(char if char.isalnum() else " " for char in stripped.casefold()).split())


def patient_key(name: str | None, key: bytes) -> str | None:
    """Key of a patient's name; None where the name is blank (an unknown patient is not a patient called "")."""
    normalised = normalise(name) if name else ""
    return keyed_hash(normalised, key, purpose="patient") if normalised else None


def address_key(address: str, key: bytes) -> str:
    """Key of an address as written."""
    return keyed_hash(normalise(address), key, purpose="address")
