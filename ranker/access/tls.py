"""TLS and mutual TLS of the server. A renewed certificate is taken up by the next connection."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from ranker.errors import SettingsError
from ranker.settings import ServerSettings

log = structlog.get_logger()

Mark = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Files:
    """The server's certificate with its chain, its key, and the authority of clients' certificates; PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What they hold, checked. Raises SettingsError for the first that is wrong."""
        certificate, key = _content("tls_certificate", self.certificate), _content("tls_key", self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except ssl.SSLError as error:
            raise SettingsError(_wrong_pair(self, error)) from error
        ca = _content("tls_client_ca", self.client_ca) if self.client_ca else None
        try:
            if ca:
                context.load_verify_locations(cadata=ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"server.tls_client_ca {self.client_ca} holds no certificate: give a PEM file of one"
            ) from error
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=ca)

    def mark(self) -> Mark:
        """What changes when a file does; empty while one is not there."""
        try:
            facts = [one.stat() for one in (self.certificate, self.key, self.client_ca) if one]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_mtime_ns) for one in facts)


def files_of(settings: ServerSettings) -> Files | None:
    """The files that the settings name; None without TLS. Raises SettingsError when one lacks another."""
    if settings.tls_certificate is None and settings.tls_key is None:
        if settings.tls_client_ca is not None:
            raise SettingsError("server.tls_client_ca needs server.tls_certificate and server.tls_key too")
        return None
    if settings.tls_certificate is None or settings.tls_key is None:
        raise SettingsError("server.tls_certificate and server.tls_key go together: set both, or none")
    return Files(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)


def credentials(files: Files) -> grpc.ServerCredentials:
    """The server's credentials, that follow the files. Files that went wrong change nothing but the log."""
    first, seen = files.read(), [files.mark()]

    def fresh() -> grpc.ServerCertificateConfiguration | None:
        mark = files.mark()
        if mark == seen[0]:
            return None
        seen[0] = mark
        try:
            read = files.read()
        except SettingsError as error:
            log.error("certificate_not_read", reason=str(error))
            return None
        log.info("certificate_read", file=str(files.certificate))
        return read

    made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        first,
        fresh,  # type: ignore[arg-type]  # None: as it was
        require_client_authentication=files.client_ca is not None,
    )
    return made


def _content(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"server.{setting} {path} can't be read ({error.strerror}): name a file that feedrank may read"
        ) from error


def _no_password() -> str:
    raise SettingsError("server.tls_key is encrypted: give one without a password")


def _wrong_pair(files: Files, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"server.tls_key {files.key} is not the key of server.tls_certificate {files.certificate}: "
            "give those that were made together"
        )
    return (
        f"server.tls_certificate {files.certificate} and server.tls_key {files.key} hold no certificate "
        f"with its key ({error.reason or error}): give PEM files"
    )
