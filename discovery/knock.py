"""Tries whether a peer takes connections at an address: TCP, TLS 1.3 and the certificate of its card. Asks nothing."""

import asyncio
import hashlib
import os
import ssl

from discovery.pinned import any_certificate
from discovery.records import Address, PeerId


async def knock(address: Address, peer: PeerId, cert: bytes, within_s: float) -> str:
    """Why this peer was not reached there, in words; empty where it was. `cert`: (32,), the SHA-256 in its card."""
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(
                address.ip, address.port, ssl=any_certificate(), server_hostname=peer
            )
    except TimeoutError:
        return "no answer in time"
    except ssl.SSLError:
        return "what answers there is no peer"
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else "the connection was closed"
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return "" if hashlib.sha256(shown).digest() == cert else "another peer answers there"
    finally:
        writer.close()
