"""A peer's identity: an Ed25519 key, whose public half is the peer's id, and the TLS certificate that its card names.

Both lie in the peer's home, readable by its user only. The TLS key is a second key, so that it can be replaced every
year while the id stays. It is a P-256 key, which every TLS library takes; some take no Ed25519 certificate.
"""

import datetime
import hashlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from discovery.private_files import OpenToOthers, read_secret, read_unchanged, write_private
from discovery.records import InvalidRecord, PeerId, peer_id, public_key

T = TypeVar("T")
log = logging.getLogger(__name__)

_CERT_DAYS = 365  # a new certificate is valid for so long
_RENEW_DAYS = 30  # a certificate this close to its end is replaced at start


class IdentityError(Exception):
    """The identity cannot be used; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Our id, the key behind it, and the TLS files."""

    id: PeerId
    cert_sha256: bytes  # (32,) of the DER certificate: what cards carry and dialling peers pin
    cert_path: Path
    tls_key_path: Path
    _key: Ed25519PrivateKey

    @classmethod
    def load_or_create(cls, home: Path, now: datetime.datetime | None = None) -> "Identity":
        """Read the identity in `home`, creating what is missing. Raises IdentityError. `now` is UTC, for tests."""
        now = now or datetime.datetime.now(datetime.UTC)
        _make_home(home)
        key = _load_or_create_key(home / "identity.key")
        peer = peer_id(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        cert_path, tls_key_path = home / "tls.crt", home / "tls.key"
        cert_sha256 = _load_certificate(cert_path, tls_key_path, now) or _create_certificate(
            cert_path, tls_key_path, now
        )
        return cls(peer, cert_sha256, cert_path, tls_key_path, key)

    def sign(self, data: bytes) -> bytes:
        """The (64,) Ed25519 signature of `data`."""
        return self._key.sign(data)

    def server_ssl_context(self) -> ssl.SSLContext:
        """TLS 1.3 with our certificate. Asks clients for none: their signed requests say who they are."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.cert_path, self.tls_key_path)
        return context


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies in a home of an identity; None for what does not.

    The certificate holds from `begins` to `ends`, UTC.
    """

    id: PeerId | None = None
    begins: datetime.datetime | None = None
    ends: datetime.datetime | None = None


def look_at(home: Path) -> Seen:
    """The identity in `home` as it is: makes, renews and repairs nothing. Raises IdentityError."""
    key_path, cert_path, tls_key_path = home / "identity.key", home / "tls.crt", home / "tls.key"
    if not key_path.exists():
        return Seen()
    peer = peer_id(_load_or_create_key(key_path).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    if not (cert_path.exists() and tls_key_path.exists()):
        return Seen(peer)
    _read(tls_key_path, read_secret)
    cert = _parse(cert_path, _read(cert_path, read_unchanged), x509.load_pem_x509_certificate)
    return Seen(peer, cert.not_valid_before_utc, cert.not_valid_after_utc)


def verify(peer: PeerId, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is the Ed25519 signature of `data` by `peer`; False for an invalid id or signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key(peer)).verify(signature, data)
    except (InvalidSignature, InvalidRecord, ValueError):
        return False
    return True


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise IdentityError(f"cannot create {home}: {error.strerror}. Choose another place with --home DIR") from error


def _load_or_create_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return key
    loaded = _parse(path, _read(path, read_secret), lambda data: load_pem_private_key(data, None))
    if not isinstance(loaded, Ed25519PrivateKey):
        raise IdentityError(f"{path} holds another kind of key, not an identity of ours. {_MOVE_AWAY}")
    return loaded


def _load_certificate(cert_path: Path, key_path: Path, now: datetime.datetime) -> bytes | None:
    """The SHA-256 of the certificate, (32,); None when none can be used for some time. Raises IdentityError.

    The two files are written one after the other, so a power cut may leave a pair that does not fit. Nothing depends
    on them but our card, which names the new certificate.
    """
    if not (cert_path.exists() and key_path.exists()):
        return None
    _read(key_path, read_secret)
    try:
        cert = x509.load_pem_x509_certificate(_read(cert_path, read_unchanged))
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_path, key_path)
    except (ValueError, TypeError, UnsupportedAlgorithm, ssl.SSLError, OSError) as error:
        log.warning("certificate_made_anew path=%s reason=%r", cert_path, str(error))
        return None
    if cert.not_valid_after_utc - now < datetime.timedelta(days=_RENEW_DAYS):
        return None
    return hashlib.sha256(cert.public_bytes(Encoding.DER)).digest()


def _create_certificate(cert_path: Path, key_path: Path, now: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ppai peer")])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_CERT_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(cert_path, cert.public_bytes(Encoding.PEM))
    return hashlib.sha256(cert.public_bytes(Encoding.DER)).digest()


def _write(path: Path, data: bytes) -> None:
    try:
        write_private(path, data)
    except OSError as error:
        remedy = "Make the folder writable or choose another with --home DIR"
        raise IdentityError(f"cannot write {path}: {error.strerror}. {remedy}") from error


def _read(path: Path, read: Callable[[Path], bytes]) -> bytes:
    try:
        return read(path)
    except OpenToOthers as error:
        raise IdentityError(str(error)) from error
    except OSError as error:
        raise IdentityError(f"cannot read {path}: {error.strerror}. It must belong to the user running ppai") from error


def _parse(path: Path, data: bytes, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"{path} is not a file ppai wrote. {_MOVE_AWAY}") from error


_MOVE_AWAY = "Move it away to start with a new identity, or restore it from a backup"
