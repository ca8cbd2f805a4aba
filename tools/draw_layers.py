"""Draw docs/layers.svg from the layers contract in pyproject.toml: ``python tools/draw_layers.py docs/layers.svg``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PURPOSE = {
    "cli": "commands",
    "workflows": "whole jobs: backtest, evaluate, pretrain, monitor, study",
    "report": "tables, figures, pages",
    "adapters": "zipline, skfolio, bt, cvxportfolio, ml4t",
    "evaluation": "losses, tests, calibration",
    "portfolio": "targeting, allocation",
    "risk": "Sigma = D rho D, adjustments, past forecasts",
    "volatility": "forecasters, vintages",
    "correlation": "estimators of rho",
    "data": "panel, readers, daily variance",
    "storage": "files, model store",
    "parallel": "processes, clusters",
    "units": "annualize",
    "errors": "named errors",
}
WIDTH, ROW, GAP = 720, 46, 8
STYLE = """
  rect { fill: #eef3fa; stroke: #4a6fa5; }
  text { font-family: system-ui, sans-serif; font-size: 14px; fill: #1b2a41; text-anchor: middle; }
  .purpose { font-size: 11px; fill: #52617a; }
  @media (prefers-color-scheme: dark) {
    rect { fill: #1d2a3d; stroke: #7fa3d6; }
    text { fill: #e6edf7; }
    .purpose { fill: #a9b8cf; }
  }
"""


def layers() -> list[list[str]]:
    """Return the packages of each layer, the uppermost first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in row.replace(":", "|").split("|") if name.strip() in PURPOSE] for row in rows]


def draw(rows: list[list[str]]) -> str:
    """Return the picture as SVG: a box per package, a row per layer; imports point downwards."""
    height = len(rows) * (ROW + GAP) + GAP
    boxes = []
    for place, names in enumerate(rows):
        width = (WIDTH - GAP * (len(names) + 1)) / len(names)
        top = GAP + place * (ROW + GAP)
        for column, name in enumerate(names):
            left = GAP + column * (width + GAP)
            middle = left + width / 2
            boxes.append(
                f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{ROW}" rx="6"/>'
                f'<text x="{middle:.0f}" y="{top + 19}">{escape(name)}</text>'
                f'<text class="purpose" x="{middle:.0f}" y="{top + 36}">{escape(PURPOSE[name])}</text>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="The layers of volplugin, from cli down to storage">'
        f"<style>{STYLE}</style>\n" + "\n".join(boxes) + "\n</svg>\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(layers()), encoding="utf-8")
