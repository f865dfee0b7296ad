"""A font's glyph becomes white ink on black, shaken a little, boxed and centred as MNIST is."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from settings import INK, SIZE

PLATE = 96  # pixels a side of the large drawing that is shaken before it is made small
BODY = 68  # the longer side of a glyph on its plate


@lru_cache(maxsize=512)
def font(file: str, index: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, 96, index=index)


@lru_cache(maxsize=200_000)
def plate(file: str, index: int, character: str) -> np.ndarray | None:
    """One large glyph, [96, 96] uint8; None when the font draws nothing."""
    sheet = Image.new("L", (320, 320))
    try:
        ImageDraw.Draw(sheet).text((96, 64), character, fill=255, font=font(file, index))
    except OSError:
        return None
    box = sheet.getbbox()
    if box is None:
        return None
    glyph = sheet.crop(box)
    scale = BODY / max(glyph.size)
    glyph = glyph.resize([max(2, round(s * scale)) for s in glyph.size], Image.Resampling.LANCZOS)
    out = Image.new("L", (PLATE, PLATE))
    out.paste(glyph, ((PLATE - glyph.width) // 2, (PLATE - glyph.height) // 2))
    return np.asarray(out)


def shake(glyph: np.ndarray, dice: np.random.Generator) -> Image.Image:
    """A small rotation, slant and stretch, and a thinner or thicker stroke."""
    angle, slant = dice.uniform(-0.16, 0.16), dice.uniform(-0.15, 0.15)
    wide, tall = dice.uniform(0.85, 1.18, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    move = turn @ np.array([[wide, slant], [0, tall]])
    middle = np.full(2, PLATE / 2)
    shift = middle - move @ middle
    image = Image.fromarray(glyph).transform(
        (PLATE, PLATE),
        Image.Transform.AFFINE,
        (*move[0], shift[0], *move[1], shift[1]),
        Image.Resampling.BILINEAR,
    )
    stroke = dice.integers(-1, 4)  # a drawn line has one width; thin fonts need more of it
    if stroke < 0:
        thin = image.filter(ImageFilter.MinFilter(3))
        return thin if np.asarray(thin).sum() > 0.5 * np.asarray(image).sum() else image
    return image.filter(ImageFilter.MaxFilter(2 * int(stroke) + 1)) if stroke else image


def boxed(image: Image.Image, longer: float = INK, shift=(0.0, 0.0)) -> np.ndarray:
    """The ink's box made `longer` pixels on its longer side, its centre of mass in the middle."""
    box = image.point(lambda v: 255 if v > 40 else 0).getbbox() or (0, 0, *image.size)
    glyph = image.crop(box)
    scale = longer / max(glyph.size)
    glyph = glyph.resize([max(1, round(s * scale)) for s in glyph.size], Image.Resampling.BOX)
    ink = np.asarray(glyph, np.float64)
    total = ink.sum() or 1.0
    centre = [(ink.sum(0) * np.arange(ink.shape[1])).sum() / total, (ink.sum(1) * np.arange(ink.shape[0])).sum() / total]
    out = Image.new("L", (SIZE, SIZE))
    half = (SIZE - 1) / 2
    at = [int(round(half - c + s)) for c, s in zip(centre, shift)]
    at = [min(max(a, 0), SIZE - side) for a, side in zip(at, glyph.size)]
    out.paste(glyph, tuple(at))
    return np.asarray(out)


def sample(face: tuple[str, int], character: str, dice: np.random.Generator) -> np.ndarray:
    """One shaken glyph, [28, 28] uint8."""
    image = shake(plate(*face, character), dice)
    return boxed(image, INK + dice.uniform(-2, 1), dice.uniform(-1, 1, 2))
