"""A plot as SVG: lines over the number of nodes."""

from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, MARGIN = 360, 240, 46
COLOURS = ("#1f77b4", "#d62728", "#2ca02c")

Line = Sequence[tuple[float, float]]


def svg(panels: Mapping[str, Mapping[str, Line]]) -> str:
    """Panels side by side, each with the lines under its title; all axes begin at 0."""
    parts = [_panel(title, lines, number * WIDTH) for number, (title, lines) in enumerate(panels.items())]
    size = f'width="{WIDTH * len(parts)}" height="{HEIGHT + 20 * len(COLOURS)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n' + (
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(title: str, lines: Mapping[str, Line], left: int) -> str:
    most_x = max(x for line in lines.values() for x, _ in line)
    most_y = max(y for line in lines.values() for _, y in line) * 1.1
    across, down = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def at(x: float, y: float) -> tuple[float, float]:
        return left + MARGIN + across * x / most_x, MARGIN + down * (1 - y / most_y)

    parts = [f'<text x="{left + MARGIN}" y="20" font-weight="bold">{title}</text>']
    (x0, y0), (x1, _), (_, y1) = at(0, 0), at(most_x, 0), at(0, most_y)
    parts.append(f'<path d="M{x0},{y1:.0f} V{y0:.0f} H{x1:.0f}" fill="none" stroke="black"/>')
    sizes = sorted({x for line in lines.values() for x, _ in line})
    parts += [f'<text x="{at(x, 0)[0]:.0f}" y="{y0 + 14:.0f}" text-anchor="middle">{x:,.0f}</text>' for x in sizes]
    for share in (0.5, 1.0):
        y = most_y / 1.1 * share
        parts.append(f'<text x="{x0 - 4}" y="{at(0, y)[1] + 4:.0f}" text-anchor="end">{y:.1f}</text>')
    for number, (name, line) in enumerate(lines.items()):
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in (at(*point) for point in line))
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x0}" y="{y0 + 32 + 16 * number:.0f}" fill="{colour}">{name}</text>')
    return "\n".join(parts)
