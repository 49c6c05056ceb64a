"""Content Credentials (C2PA): a signed statement in the file that its audio was made by a model.

Needs the package c2pa-python (the extra `c2pa`), which is loaded only when something is signed. Specification:
C2PA 2.x, `c2pa.created` with the IPTC digital source type; in WAV, the last chunk, "C2PA".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selva_core import __version__
from selva_core.base.atomic_write import staged_file
from selva_core.base.command_line import pip_install_command
from selva_core.base.errors import OutputError, RequestError
from selva_core.base.regular_file import FileTooLargeError, read_bounded

CHUNK_ID = b"C2PA"
ASSERTION_LABEL = "selva.stem"
MAX_PEM_BYTES = 1 << 20

_ELLIPTIC_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, kw_only=True)
class Signer:
    """PEM files: the signer's certificate followed by those of its issuers, and its key without a passphrase."""

    certificate: Path
    key: Path

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the certificates. Raises RequestError."""
        return hashlib.sha256(_read_pem(self.certificate, "certificate")).hexdigest()

    def check(self) -> None:
        """Raises RequestError or OutputError where nothing could be signed with these files on this machine."""
        if find_spec("c2pa") is None:
            raise OutputError(
                "Content Credentials need the package c2pa-python, which is not installed; install it with "
                f"{pip_install_command('c2pa-python')} (or leave the signature out)"
            )
        _find_algorithm(_read_pem(self.certificate, "certificate"), self.certificate)
        _check_key(_read_pem(self.key, "key"), self.key)


def sign_stem(path: Path, signer: Signer, *, provenance: Mapping[str, str], source_type: str) -> None:
    """Add a signed manifest to a WAV file, as its last chunk; its audio and its other chunks stay as they are.

    provenance: goes into the manifest as it is. source_type: the IPTC digital source type. The file is replaced whole or
    not at all. Raises RequestError, OutputError.
    """
    signer.check()
    certificate = _read_pem(signer.certificate, "certificate")
    key = _read_pem(signer.key, "key")
    c2pa = import_module("c2pa")
    try:
        info = c2pa.C2paSignerInfo(_find_algorithm(certificate, signer.certificate), certificate, key, None)
        manifest = json.dumps(_build_manifest(provenance, source_type))
        with (
            staged_file(path) as signed,
            c2pa.Signer.from_info(info) as identity,
            c2pa.Builder(manifest) as builder,
        ):
            builder.sign_file(path, signed, identity)
    except c2pa.C2paError as exc:
        raise OutputError(
            f"{path.name} could not be signed with {signer.certificate.name}: {exc}. The certificate must be followed "
            "by its issuers, be in force, be for signing (not a certificate authority) and belong to the key",
            path=str(path),
        ) from exc


def _build_manifest(provenance: Mapping[str, str], source_type: str) -> dict[str, Any]:
    created = {
        "action": "c2pa.created",
        "digitalSourceType": source_type,
        "softwareAgent": {"name": "Selva Bridge", "version": __version__},
        "description": f"Sound made by the model {provenance.get('model', 'unknown')} from picture and the prompt: "
        f"{provenance.get('prompt', '')}",
    }
    return {
        "claim_generator_info": [{"name": "Selva Bridge", "version": __version__}],
        "title": provenance.get("track", "") or "stem",
        "format": "audio/wav",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": ASSERTION_LABEL, "data": dict(provenance)},
        ],
    }


def _read_pem(path: Path, what: str) -> bytes:
    try:
        content = read_bounded(path, MAX_PEM_BYTES)
    except FileTooLargeError as exc:
        raise RequestError(
            f"the {what} {path} is larger than {MAX_PEM_BYTES} bytes; a PEM file is needed"
        ) from exc
    except FileNotFoundError as exc:
        raise RequestError(f"there is no {what} {path} to sign with") from exc
    except OSError as exc:
        raise RequestError(f"the {what} {path} cannot be read: {exc.strerror or exc}") from exc
    if b"-----BEGIN " not in content:
        raise RequestError(f"the {what} {path} is no PEM file (-----BEGIN ...)")
    return content


def _check_key(pem: bytes, path: Path) -> None:
    serialization = import_module("cryptography.hazmat.primitives.serialization")
    try:
        serialization.load_pem_private_key(pem, password=None)
    except TypeError as exc:
        raise RequestError(f"the key {path} has a passphrase; a key without one is needed") from exc
    except ValueError as exc:
        raise RequestError(f"the key {path} is no private key in PEM form") from exc


def _find_algorithm(pem: bytes, path: Path) -> str:
    """C2PA's name of the algorithm that the certificate's key signs with."""
    x509 = import_module("cryptography.x509")
    try:
        public_key = x509.load_pem_x509_certificates(pem)[0].public_key()
    except ValueError as exc:
        raise RequestError(f"the certificate {path} cannot be read; PEM certificates are needed") from exc
    curve = getattr(getattr(public_key, "curve", None), "name", None)
    if curve in _ELLIPTIC_ALGORITHMS:
        return _ELLIPTIC_ALGORITHMS[curve]
    algorithm = {"Ed25519PublicKey": "ed25519", "RSAPublicKey": "ps256"}.get(
        type(public_key).__name__.lstrip("_")
    )
    if algorithm is None:
        raise RequestError(
            f"the certificate {path} is of a kind that C2PA does not sign with; use ECDSA (P-256, P-384, P-521), "
            "Ed25519 or RSA"
        )
    return algorithm
