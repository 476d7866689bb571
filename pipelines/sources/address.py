"""Addresses of publishers and mirrors: which may be asked, and to which they may send us on."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from isoloir.domain.errors import SourceError, UsageError


def at_mirror(mirror: str, name: str) -> str:
    """The address of the file ``name`` at a mirror; UsageError unless https, or http to this machine."""
    parts = urlsplit(mirror)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(mirror)):
        raise UsageError("a mirror must be https://…, or http:// on this machine", remedy="correct --mirror")
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "a mirror is a plain address, without password or query", remedy="give https://host/folder"
        )
    return f"{mirror.rstrip('/')}/{name}"


def opener(url: str) -> urllib.request.OpenerDirector:
    """What asks for ``url``: by way of the user's proxy unless it is on this machine."""
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if _is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to https only, or from loopback to loopback."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to follow, with the same headers; SourceError where it would leave https."""
        within = _is_loopback(req.full_url) and _is_loopback(newurl)
        if urlsplit(newurl).scheme != "https" and not within:
            fp.close()
            raise SourceError(
                "the publisher sends us on to an address without https: not followed",
                where=req.full_url,
                remedy="find the file's https address and correct url in sources.yaml",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
    ) -> Any:
        """What the other address answers; ValueError where it is none."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
