"""Covers for invented music: quiet prints, made from the name of the picture that does not exist."""

import hashlib
import math
from collections.abc import Callable

_SIZE = 64
_PALETTES = (
    ("#0b2545", "#c77700", "#eaf0f5"),
    ("#5b2333", "#f2a65a", "#f7ede2"),
    ("#1b4332", "#d9c27a", "#eef3e6"),
    ("#3d2c5a", "#e58f65", "#f3e9f0"),
    ("#0d4a5a", "#f0b44c", "#e3f1f2"),
    ("#6b3e12", "#8fb8c9", "#f6efe3"),
    ("#22223b", "#c9657a", "#f2e9e4"),
    ("#2f3e46", "#84a98c", "#e9f0ea"),
)


def draw_cover(name: str) -> bytes:
    """Return a square picture as SVG, always the same for the same name."""
    seed = hashlib.sha256(name.encode()).digest()
    dark, warm, light = _PALETTES[seed[0] % len(_PALETTES)]
    ground, ink = (dark, light) if seed[1] % 2 else (light, dark)
    draw = _MOTIFS[seed[2] % len(_MOTIFS)]
    shapes = "".join(draw(seed, ink, warm))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}">'
        f'<rect width="{_SIZE}" height="{_SIZE}" fill="{ground}"/>{shapes}</svg>'
    ).encode()


Motif = Callable[[bytes, str, str], list[str]]


def _sun(seed: bytes, ink: str, warm: str) -> list[str]:
    rays = 8 + seed[3] % 9
    x, y = 20 + seed[4] % 25, 20 + seed[5] % 25
    shapes = []
    for ray in range(rays):
        a, b = (2 * math.pi * (ray + part) / rays for part in (0.0, 0.5))
        corners = " ".join(f"{x + 90 * math.cos(t):.1f},{y + 90 * math.sin(t):.1f}" for t in (a, b))
        shapes.append(f'<polygon points="{x},{y} {corners}" fill="{ink}"/>')
    return [*shapes, f'<circle cx="{x}" cy="{y}" r="{6 + seed[6] % 6}" fill="{warm}"/>']


def _waves(seed: bytes, ink: str, warm: str) -> list[str]:
    shapes = []
    for row in range(7):
        y, lift = 6 + row * 9, 2 + seed[3 + row] % 6
        path = f"M-4 {y}q9 {-lift} 18 0t18 0 18 0 18 0"
        colour = warm if row == seed[11] % 7 else ink
        shapes.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="3"/>')
    return shapes


def _bars(seed: bytes, ink: str, warm: str) -> list[str]:
    return [
        f'<rect x="8" y="{8 + row * 7}" width="{10 + seed[3 + row] % 39}" height="4" '
        f'fill="{warm if row == seed[12] % 7 else ink}"/>'
        for row in range(7)
    ]


def _rings(seed: bytes, ink: str, warm: str) -> list[str]:
    x, y = 16 + seed[3] % 33, 16 + seed[4] % 33
    return [
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" '
        f'stroke="{warm if step == seed[5] % 5 else ink}" stroke-width="4"/>'
        for step, radius in enumerate(range(6, 46, 8))
    ]


def _dots(seed: bytes, ink: str, warm: str) -> list[str]:
    return [
        f'<circle cx="{11 + 14 * (spot % 4)}" cy="{11 + 14 * (spot // 4)}" '
        f'r="{1 + seed[3 + spot] % 6}" fill="{warm if spot == seed[20] % 16 else ink}"/>'
        for spot in range(16)
    ]


def _hills(seed: bytes, ink: str, warm: str) -> list[str]:
    moon = f'<circle cx="{14 + seed[3] % 36}" cy="{14 + seed[4] % 10}" r="7" fill="{warm}"/>'
    hills = [
        f'<path d="M0 64V{42 + 7 * row}L{10 + seed[5 + row] % 20} {30 + 8 * row}'
        f'L{34 + seed[8 + row] % 20} {46 + 5 * row}L64 {34 + 8 * row}V64Z" fill="{ink}" '
        f'opacity="{0.45 + 0.25 * row:.2f}"/>'
        for row in range(3)
    ]
    return [moon, *hills]


_MOTIFS: tuple[Motif, ...] = (_sun, _waves, _bars, _rings, _dots, _hills)
