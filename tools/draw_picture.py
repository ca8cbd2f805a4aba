"""Make the README's picture from a plot of the demo, with fewer colours to reduce the file size."""

import sys

from PIL import Image

COLOURS = 32


def main(source: str, target: str) -> None:
    """Reduce a PNG file to a palette."""
    picture = Image.open(source).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
