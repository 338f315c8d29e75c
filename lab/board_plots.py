"""The board's drawings: cumulative distributions as SVG, several systems in one, time on a logarithmic axis."""
import html
import math

WIDTH, HEIGHT = 380, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 8, 32
# Okabe and Ito's colours, which differ for the colour-blind too; Muster's is kept for Muster.
MUSTER = "#0072b2"
OTHERS = {"UDP alone (yardstick)": "#8c959f", "TLS over MPTCP": "#009e73", "ZeroMQ + czmq beacon": "#e69f00",
          "TLS over TCP": "#d55e00", "mosquitto": "#cc79a7", "libnice ICE": "#7a5195", "Avahi": "#d55e00",
          "python3-zeroconf": "#e69f00", "naive client": "#8c959f", "Muster (address known)": "#56b4e9"}


def colour(who):
    return OTHERS.get(who, MUSTER if who.startswith("Muster") else "#57606a")


class Axis:
    """Milliseconds to pixels; whole decades."""

    def __init__(self, values):
        low = math.floor(math.log10(max(min(values), 0.01)))
        high = math.ceil(math.log10(max(max(values), 0.02)))
        self.low, self.high = low, max(high, low + 1)

    def x(self, value):
        share = (math.log10(max(value, 10 ** self.low)) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        """Whole decades, and 2 and 5 of each where there is room."""
        steps = (1, 2, 5) if self.high - self.low <= 2 else (1,)
        return [step * 10.0 ** power for power in range(self.low, self.high) for step in steps] + [10.0 ** self.high]


def y(share):
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def label(milliseconds):
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:g} s"
    return f"{milliseconds:g} ms" if milliseconds >= 1 else f"{milliseconds * 1000:g} µs"


def curve(axis, row):
    """A step for each sample; what never came leaves the line below 100 %."""
    ordered, n = sorted(row["samples"]), row["n"]
    points, before = [], 0.0
    for rank, value in enumerate(ordered, 1):
        points += [(axis.x(value), y(before)), (axis.x(value), y(rank / n))]
        before = rank / n
    points.append((WIDTH - RIGHT, y(before)))
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    width = 2.4 if row["who"].startswith("Muster") else 1.5
    return (f'<polyline points="{path}" fill="none" stroke="{colour(row["who"])}" stroke-width="{width}">'
            f'<title>{html.escape(row["who"])}: p50 {row["p50"]}, p99 {row["p99"]} ms, n {n}</title></polyline>')


def distributions(title, rows, axis):
    """One drawing; rows without samples are left out, and a drawing without rows is nothing."""
    rows = [row for row in rows if row.get("samples")]
    if not rows:
        return ""
    parts = [f'<figure><figcaption>{html.escape(title)}</figcaption>'
             f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}: distributions">']
    ticks = axis.ticks()
    for tick in ticks:
        at = axis.x(tick)
        anchor = "end" if tick == ticks[-1] else "middle"
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{y(1)}" y2="{y(0)}"/>'
                     f'<text x="{at:.1f}" y="{HEIGHT - 12}" text-anchor="{anchor}">{label(tick)}</text>')
    for share in (0, 0.5, 0.99):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>'
                     f'<text x="{LEFT - 4}" y="{y(share) + 4:.1f}" text-anchor="end">{share * 100:g} %</text>')
    parts += [curve(axis, row) for row in reversed(rows)]  # Muster, the first, on top
    return "".join(parts) + "</svg></figure>"


def legend(names):
    marks = "".join(f'<li><span style="background:{colour(name)}"></span>{html.escape(name)}' for name in names)
    return f'<ul class="legend">{marks}</ul>'
