"""The page's files: read, compressed and named by their content once, at start-up.

A file's address holds a hash of all files, so that a browser may keep it for ever and still never
mixes two versions; modules import each other by relative addresses, which stay in one version.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from mimetypes import guess_type

from aiohttp import web

from lyra.errors import NotFoundError

_KEPT_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """One file, as it is and compressed."""

    media: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True)
class Assets:
    """All files by their names, and the version that their addresses hold."""

    version: str
    found: dict[str, Asset]

    @property
    def prefix(self) -> str:
        """What the addresses of this version begin with."""
        return f"/static/{self.version}"

    def answer(self, request: web.Request, name: str) -> web.Response:
        """The file of this name, compressed if its reader can have it so.

        Raises:
            NotFoundError: there is no such file.
        """
        asset = self.found.get(name)
        if asset is None:
            raise NotFoundError
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        headers = {"Content-Type": f"{asset.media}; charset=utf-8", "Vary": "Accept-Encoding"}
        # A page of another version may still ask for its files: it gets today's, and not for long.
        current = request.match_info["version"] == self.version
        headers["Cache-Control"] = _KEPT_FOR_EVER if current else "no-cache"
        if packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=asset.packed if packed else asset.plain, headers=headers)


def read_assets() -> Assets:
    """Every file of `static` that is no page. Reads and compresses: not on the event loop."""
    found = dict(_walk(files("lyra.web") / "static", ""))
    digest = hashlib.sha256()
    for name, asset in sorted(found.items()):
        digest.update(name.encode() + b"\0" + asset.plain)
    return Assets(digest.hexdigest()[:12], found)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for each in folder.iterdir():
        name = f"{prefix}{each.name}"
        if each.is_dir():
            found += _walk(each, f"{name}/")
        elif not name.endswith(".html"):
            found.append((name, _asset(each)))
    return found


def _asset(file: Traversable) -> Asset:
    plain = file.read_bytes()
    ending = file.name[file.name.rfind(".") :]
    media = _TYPES.get(ending) or guess_type(file.name)[0] or "application/octet-stream"
    return Asset(media, plain, gzip.compress(plain, 9, mtime=0))
