"""Keys in a home folder: made once, kept private, and every trouble told with its remedy."""

import datetime
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from discovery.identity import Identity, IdentityError, verify
from discovery.private_files import write_private
from discovery.records import PeerId

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def test_an_identity_is_made_once(tmp_path: Path) -> None:
    first = Identity.load_or_create(tmp_path / "home")
    second = Identity.load_or_create(tmp_path / "home")

    assert (first.id, first.cert_sha256) == (second.id, second.cert_sha256)
    assert first.id != Identity.load_or_create(tmp_path / "other").id


def test_its_files_are_private(tmp_path: Path) -> None:
    Identity.load_or_create(tmp_path / "home")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").iterdir()}
    assert {"identity.key": 0o600, "tls.key": 0o600, "tls.crt": 0o600} == modes


def test_a_signature_is_bound_to_signer_and_data(tmp_path: Path) -> None:
    me, other = Identity.load_or_create(tmp_path / "me"), Identity.load_or_create(tmp_path / "other")

    assert verify(me.id, me.sign(b"data"), b"data")
    assert not verify(me.id, me.sign(b"data"), b"Data")
    assert not verify(other.id, me.sign(b"data"), b"data")
    assert not verify(PeerId("nobody"), me.sign(b"data"), b"data")


def test_the_server_speaks_tls_1_3_only(tmp_path: Path) -> None:
    context = Identity.load_or_create(tmp_path).server_ssl_context()

    assert ssl.TLSVersion.TLSv1_3 == context.minimum_version


def test_a_certificate_near_its_end_is_replaced_and_the_id_stays(tmp_path: Path) -> None:
    old = Identity.load_or_create(tmp_path, NOW)
    same = Identity.load_or_create(tmp_path, NOW + datetime.timedelta(days=300))
    new = Identity.load_or_create(tmp_path, NOW + datetime.timedelta(days=340))

    assert old.cert_sha256 == same.cert_sha256 != new.cert_sha256
    assert old.id == new.id


@pytest.mark.parametrize("name", ["identity.key", "tls.key"])
def test_a_key_others_can_read_is_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    Identity.load_or_create(tmp_path)
    (tmp_path / name).chmod(0o644)

    with pytest.raises(IdentityError, match=f"chmod 600 .*{name}"):
        Identity.load_or_create(tmp_path)


GARBAGE = [b"", b"garbage", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]


@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    Identity.load_or_create(tmp_path)
    write_private(tmp_path / "identity.key", content)

    with pytest.raises(IdentityError, match=r"identity\.key is not a file ppai wrote.*Move it away"):
        Identity.load_or_create(tmp_path)


@pytest.mark.parametrize("content", GARBAGE)
@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
def test_a_certificate_that_cannot_be_used_is_made_anew_and_the_id_stays(
    tmp_path: Path, name: str, content: bytes
) -> None:
    old = Identity.load_or_create(tmp_path)
    write_private(tmp_path / name, content)

    new = Identity.load_or_create(tmp_path)

    assert (old.id, False) == (new.id, old.cert_sha256 == new.cert_sha256)
    assert new.server_ssl_context()


def test_a_foreign_key_is_refused(tmp_path: Path) -> None:
    key = generate_private_key(SECP256R1())
    write_private(tmp_path / "identity.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(IdentityError, match="another kind of key"):
        Identity.load_or_create(tmp_path)


def test_a_tls_key_of_another_certificate_is_replaced(tmp_path: Path) -> None:
    """A power cut between the two files' writes leaves such a pair."""
    Identity.load_or_create(tmp_path / "a")
    Identity.load_or_create(tmp_path / "b")
    (tmp_path / "a" / "tls.key").replace(tmp_path / "b" / "tls.key")

    assert Identity.load_or_create(tmp_path / "b").server_ssl_context()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_we_may_not_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(IdentityError, match="--home"):
        Identity.load_or_create(tmp_path / "home")


def test_a_home_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(IdentityError, match="--home"):
        Identity.load_or_create(tmp_path / "file" / "home")
