"""The board's tables: who succeeds how often, and percentiles side by side."""
import html

import report

FAULTS = ("admin down", "own carrier", "far carrier", "own address", "far address", "black hole", "both ends")


def number(value):
    """Three figures; words as they are."""
    if not isinstance(value, (int, float)):
        return html.escape(str(value))
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def names_of(rows):
    """Who is in the rows, in their order."""
    return list(dict.fromkeys(row["who"] for row in rows))


def pick(rows, who, what):
    return next((row for row in rows if row["who"] == who and row["what"] == what), None)


def table(head, lines, kind=""):
    """Cells are HTML already; a cell may be (class, HTML)."""
    def cell(content):
        style, text = content if isinstance(content, tuple) else ("", content)
        return f'<td class="{style}">{text}' if style else f"<td>{text}"
    header = "".join(f"<th>{html.escape(text)}" for text in head)
    body = "".join("<tr>" + "".join(cell(content) for content in line) for line in lines)
    return f'<div class="wide"><table class="{kind}"><tr>{header}{body}</table></div>'


# --- who succeeds how often ------------------------------------------------------------------------------------------


def outcome(row):
    """(successes, tries) of a row, None if it tells nothing about that."""
    if "joined" in row:
        return row["joined"], row["of"]
    if "noticed" in row:
        return row["noticed"], row["of"]
    if "never" in row:
        return row["n"] - row["never"], row["n"]
    if "interrupted" in row and row.get("n"):
        return row["n"] - row["interrupted"], row["n"]
    if "cables_back" in row:
        return row["n"], row["cables_back"]
    if "bound" in row and row.get("samples"):
        return sum(sample <= row["bound"] for sample in row["samples"]), row["n"]
    return None


def success_cell(row):
    if row is None:
        return "none", ""
    found = outcome(row)
    if found is None:
        return ("none", html.escape(row["why"])) if "why" in row else ("none", "")
    there, tries = found
    bound = 100 * report.wilson_lower(there, tries)
    style = "full" if there == tries else "zero" if there == 0 else "part"
    return style, f"{there}/{tries}<small>≥ {bound:.1f} %</small>"


# (report, its row's `what` or None for all, title of the block)
SUCCESS = [("join_matrix", None, "joins, a new process each time"),
           ("connect", ("exec -> first message",), "connect: the first message arrives within 5 s"),
           ("failover", FAULTS, "messages both ways again within 30 s; Muster: session not even interrupted"),
           ("resume", ("IPv4, own cable", "IPv4, far cable"), "back within 30 s after a cable was out for 8 s"),
           ("loss_detection", ("killed", "far cable", "own carrier"),
            "a lost peer is noticed: Muster within its profile's bound, the others within 10 s")]


def success_matrix(documents):
    """Blocks of networks and faults; a column for each system that is in the block."""
    parts = []
    for name, wanted, title in SUCCESS:
        rows = documents.get(name, {}).get("rows", [])
        rows = [row for row in rows if (outcome(row) or "why" in row) and not row["who"].startswith("control")]
        whats = [what for what in dict.fromkeys(row["what"] for row in rows)
                 if (wanted is None or what in wanted) and what != "not measured"]
        who = [name for name in names_of(rows) if any(pick(rows, name, what) for what in whats)]
        if not whats:
            continue
        lines = [[html.escape(what.replace("_", " "))] + [success_cell(pick(rows, column, what)) for column in who]
                 for what in whats]
        parts.append(f"<h3>{html.escape(title)}</h3>" + table([""] + who, lines, "matrix"))
    return "".join(parts)


# --- percentiles -----------------------------------------------------------------------------------------------------


def percentiles(rows):
    """One line for each system; what else a row tells stands behind."""
    known = {"who", "what", "n", "p50", "p90", "p99", "min", "max", "unit", "samples", "bound"}
    lines = []
    for row in rows:
        figures = [number(row[key]) if key in row else "" for key in ("n", "p50", "p90", "p99", "max")]
        extra = ", ".join(f"{key.replace('_', ' ')} {number(value)}" for key, value in row.items()
                          if key not in known and not (key == "never" and value == 0))
        lines.append([html.escape(row["who"]), html.escape(row["what"]), *figures, row.get("unit", ""), ("extra", extra)])
    return table(["", "", "n", "p50", "p90", "p99", "max", "unit", ""], lines, "figures")


def side_by_side(rows, whats, lost_of_all=None):
    """A line for each system, a column for each fault: p50 and p99, and what was lost. `lost_of_all`: for the first."""
    lines = []
    for who in names_of(rows):
        mine = [pick(rows, who, what) for what in whats]
        if not any(row and row.get("n") for row in mine):
            why = next((row["why"] for row in rows if row["who"] == who and "why" in row), None)
            if why:
                lines.append([html.escape(who), ("extra", html.escape(f"not measured: {why}"))])
            continue
        cells = [html.escape(who)]
        for row in mine:
            cells.append("" if not row or not row.get("n") else
                         f"{number(row['p50'])}<small>p99 {number(row['p99'])}, n {row['n']}</small>")
        counted = [row for row in mine if row and "lost" in row]
        lost = sum(row["lost"] for row in counted)
        messages = sum(row["messages"] for row in counted)
        if lost_of_all and who == lost_of_all["who"]:
            lost, messages = lost_of_all["lost"], lost_of_all["sent"]
        cells.append(f"{lost:,}<small>of {messages:,}</small>" if messages else "")
        lines.append(cells)
    return table(["ms", *whats, "messages lost"], lines, "side")


def causes(rows):
    """A line for each kind of fault of lab/verdicts.py."""
    lines = []
    for row in rows:
        if "expected" not in row:
            continue
        told = f"{number(row['p50'])}<small>max {number(row['max'])}</small>" if row.get("n") else ""
        remarks = "; ".join(text for text in (row.get("because"), row.get("said") and f"said: {row['said']}") if text)
        told_by = "coordinator" if row["viewer"] == "c" else "member"
        lines.append([html.escape(row["what"]), told_by, html.escape(row["expected"]), html.escape(row["right"]), told,
                      ("extra", html.escape(remarks))])
    return table(["fault", "told by", "cause", "right", "ms", ""], lines)


def values(rows):
    """The rows of bench/run.py."""
    lines = [[html.escape(row["peer"]), html.escape(row["metric"].replace("_", " ")),
              number(row.get("value", row.get("why", ""))), row.get("unit", ""), number(row.get("n", ""))] for row in rows]
    return table(["", "", "value", "unit", "n"], lines, "figures")
