"""The page's files: read, minified, compressed and named by their content once, at start-up.

A file's address holds a hash of all files, so that a browser may keep it for ever and still never
mixes two versions; modules import each other by relative addresses, which stay in one version.
The page's modules are bundled: one request in place of seven, one after another.
"""

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import rcssmin
import rjsmin
from aiohttp import web

from lyra.errors import NotFoundError

_KEPT_FOR_EVER = "public, max-age=31536000, immutable"
_KINDS: dict[str, tuple[str, Callable[[str], str]]] = {
    ".js": ("text/javascript", rjsmin.jsmin),
    ".css": ("text/css", rcssmin.cssmin),
    ".svg": ("image/svg+xml", str.strip),
}

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


@dataclass(frozen=True)
class Asset:
    """One file, as it is and compressed."""

    media: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True)
class Assets:
    """All files by their names, and the version in their addresses."""

    version: str
    by_name: dict[str, Asset]

    def base_path(self, public_path: str) -> str:
        """Return what the addresses of this version begin with, for a browser."""
        return f"{public_path}/static/{self.version}"

    def respond(self, request: web.Request, name: str) -> web.Response:
        """Respond with the file of this name, compressed if the client accepts that.

        Raises:
            NotFoundError: there is no such file.
        """
        asset = self.by_name.get(name)
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
    """Return every file of `static` that is no page. Reads and compresses: not on the event loop."""
    texts = dict(_read_folder(files("lyra.web") / "static", ""))
    modules = {_stem(name): text for name, text in texts.items() if name.startswith("js/")}
    texts["js/main.js"] = bundle(modules, "main")
    assets = {name: _make_asset(name, text) for name, text in texts.items()}
    digest = hashlib.sha256()
    for name, asset in sorted(assets.items()):
        digest.update(name.encode() + b"\0" + asset.plain)
    return Assets(digest.hexdigest()[:12], assets)


def bundle(modules: dict[str, str], first: str) -> str:
    """Return the module `first` and all that it imports as one script; every top name is there once."""
    order: dict[str, str] = {}

    def visit(name: str) -> None:
        text = modules[name]
        order[name] = ""
        for needed in _IMPORT.findall(text):
            if needed not in order:
                visit(needed)
        # Behind what it needs: classes and constants exist only from their line on.
        del order[name]
        order[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    visit(first)
    return "\n".join(order.values())


def _stem(name: str) -> str:
    return name.removeprefix("js/").removesuffix(".js")


def _read_folder(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            texts += _read_folder(entry, f"{name}/")
        elif not name.endswith(".html"):
            texts.append((name, entry.read_text("utf-8")))
    return texts


def _make_asset(name: str, text: str) -> Asset:
    media, shorter = _KINDS[name[name.rfind(".") :]]
    plain = shorter(text).encode()
    return Asset(media, plain, gzip.compress(plain, 9, mtime=0))
