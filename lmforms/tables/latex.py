"""Results as LaTeX that compiles with pdflatex and no package, or with booktabs."""

from __future__ import annotations

import re
import unicodedata

from .shown import ShownResult, ShownTable, cells_with_code, with_code

PARAGRAPH = r"p{0.62\linewidth}"

LINE = 48
"""Characters of a table, without the space between columns, that a page of 10 pt has room for."""

DENSE = r"\small\setlength{\tabcolsep}{3.5pt}"

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": "$<$",
    ">": "$>$",
    '"': "''",
    "`": r"\textasciigrave{}",
    "\n": " ",
}

SYMBOLS = {
    "−": "-",
    "≤": r"\leq",
    "≥": r"\geq",
    "≠": r"\neq",
    "≈": r"\approx",
    "×": r"\times",
    "·": r"\cdot",
    "±": r"\pm",
    "÷": r"\div",
    "→": r"\rightarrow",
    "←": r"\leftarrow",
    "↔": r"\leftrightarrow",
    "∞": r"\infty",
    "‖": r"\Vert",
    "√": r"\surd",
    "∂": r"\partial",
    "∑": r"\sum",
    "∏": r"\prod",
    "∫": r"\int",
    "∈": r"\in",
    "∘": r"\circ",
    "°": r"{}^{\circ}",
    "′": "{}'",
    "⊗": r"\otimes",
    "⊥": r"\perp",
    "∝": r"\propto",
    "µ": r"\mu",
    "ϵ": r"\epsilon",
    "ϑ": r"\vartheta",
    "ϕ": r"\phi",
    "ς": r"\varsigma",
}

TEXT_SYMBOLS = {
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "•": r"\textbullet{}",
    "€": r"\texteuro{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{THIN SPACE}": r"\,",
    "\N{FIGURE SPACE}": r"\phantom{0}",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{ZERO WIDTH NON-JOINER}": "{}",
}

ACCENTS = {"\N{COMBINING CIRCUMFLEX ACCENT}": r"\hat", "\N{COMBINING TILDE}": r"\tilde"}
"""Above letters of formulas, as in the estimate of θ."""

SMALL_LETTERS = {"omicron": "o", "epsilon": r"\varepsilon", "phi": r"\varphi"}
"""Those whose command is not their name."""

LATIN_CAPITALS = {
    "Alpha": "A",
    "Beta": "B",
    "Epsilon": "E",
    "Zeta": "Z",
    "Eta": "H",
    "Iota": "I",
    "Kappa": "K",
    "Mu": "M",
    "Nu": "N",
    "Omicron": "O",
    "Rho": "P",
    "Tau": "T",
    "Chi": "X",
}
"""Greek capitals that LaTeX has no command for, as they look like Latin ones."""


def latex(
    result: ShownResult,
    caption: str | None = None,
    label: str | None = None,
    booktabs: bool = False,
) -> str:
    """Tabulars below each other; with a caption in a ``table`` that floats."""
    parts = [rf"\textbf{{{escaped(result.title)}}}"] if result.title and caption is None else []
    if result.facts:
        parts.append(_facts(result))
    parts += [latex_table(table, booktabs) for table in result.tables]
    if result.notes:
        notes = "\\par\n".join(with_code(note, escaped, _code) for note in result.notes)
        parts.append(
            "\\begin{minipage}{0.9\\linewidth}\\footnotesize\n" + notes + "\n\\end{minipage}"
        )
    body = "\n\\par\\medskip\n".join(parts)
    if any(_columns(table) > LINE for table in result.tables):
        body = f"{DENSE}\n{body}"
    first = ["% needs \\usepackage{booktabs} in the preamble"] if booktabs else []
    if caption is None:
        return "\n".join([*first, r"\begin{center}", body, r"\end{center}"])
    named = [rf"\label{{{label}}}"] if label else []
    head = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        *named,
        r"\medskip",
    ]
    return "\n".join([*first, *head, body, r"\end{table}"])


def latex_table(table: ShownTable, booktabs: bool = False) -> str:
    """One tabular, its title in the first row."""
    top, middle, bottom = (
        (r"\toprule", r"\midrule", r"\bottomrule") if booktabs else (r"\hline",) * 3
    )
    aligns = table.line_aligns
    columns = "".join(PARAGRAPH if align == "p" else align for align in aligns)
    lines = [rf"\begin{{tabular}}{{{columns}}}"]
    if table.title:
        title = rf"\textbf{{{escaped(table.title)}}}"
        lines.append(rf"\multicolumn{{{len(aligns)}}}{{l}}{{{title}}} \\")
    lines.append(top)
    if table.has_spans:
        lines += _spans(table, booktabs)
    if any(table.headers):
        lines += [_row(table.line_headers, aligns), middle]
    for i, line in enumerate(table.lines):
        lines += [middle] * (i in table.rules)
        lines.append(_row(line, aligns))
    return "\n".join([*lines, bottom, r"\end{tabular}"])


def _columns(table: ShownTable) -> int:
    """Characters of the widest cells of all columns."""
    lines = [table.line_headers, *table.lines]
    pairs = zip(zip(*lines, strict=True), table.line_aligns, strict=True)
    return sum(max(map(len, column)) for column, align in pairs if align != "p")


def _spans(table: ShownTable, booktabs: bool) -> list[str]:
    cells, rules = [""] * table.has_stubs, []
    start = 1 + table.has_stubs
    for header, count in table.spans:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{escaped(header)}}}")
        end = start + count - 1
        if header:
            rules.append(
                rf"\cmidrule(lr){{{start}-{end}}}" if booktabs else rf"\cline{{{start}-{end}}}"
            )
        start = end + 1
    return [" & ".join(cells) + r" \\", "".join(rules)]


def _facts(result: ShownResult) -> str:
    lines = [rf"\begin{{tabular}}{{l{PARAGRAPH}}}"]
    for fact in result.facts:
        value = _code(fact.value) if fact.code else escaped(fact.value)
        lines.append(rf"{escaped(fact.name)} & {value} \\")
    return "\n".join([*lines, r"\end{tabular}"])


def _code(text: str) -> str:
    return rf"\texttt{{{escaped(text)}}}"


def _row(values: tuple[str, ...], aligns: str) -> str:
    line = " & ".join(cells_with_code(values, aligns, escaped, _code)) + r" \\"
    # behind the \\ of the row before, a bracket or a star would be read as its argument
    return "{}" + line if line[0] in "[*" else line


def escaped(text: str) -> str:
    r"""Text in which LaTeX finds no command; Greek letters and signs as LaTeX has them.

    Letters with accents stay, which pdflatex reads; scripts other than Latin and Greek need
    lualatex or xelatex.

    Examples
    --------
    >>> print(escaped("−2.5 ≤ σ², a_b"))
    $-$2.5 $\leq$ $\sigma$\textsuperscript{2}, a\_b
    """
    text = re.sub("-(?=-)", "-\N{ZERO WIDTH NON-JOINER}", text)  # two would be a dash
    # accents of letters that have them are one character with the letter
    made = "".join(map(_character, _with_accents(unicodedata.normalize("NFC", text))))
    return re.sub(r"(\\phantom\{0\})+", lambda m: rf"\phantom{{{m[0].count('0') * '0'}}}", made)


def _with_accents(text: str) -> list[str]:
    """Characters, each with the accents that follow it."""
    out: list[str] = []
    for c in text:
        if c in ACCENTS and out:
            out[-1] += c
        else:
            out.append(c)
    return out


def _character(c: str) -> str:
    if len(c) > 1:
        inner = _character(c[0]).strip("$")
        for accent in c[1:]:
            inner = f"{ACCENTS[accent]}{{{inner}}}"
        return f"${inner}$"
    if c in SPECIAL or c in TEXT_SYMBOLS:
        return SPECIAL.get(c) or TEXT_SYMBOLS[c]
    if c in SYMBOLS:
        return f"${SYMBOLS[c]}$"
    if c.isascii():
        return c
    greek = greek_command(c)
    if greek:
        return f"${greek}$"
    kind, _, digits = unicodedata.decomposition(c).partition(" ")
    if kind in ("<super>", "<sub>"):
        inner = "".join(_character(chr(int(d, 16))) for d in digits.split())
        return (
            rf"\textsuperscript{{{inner}}}" if kind == "<super>" else rf"\textsubscript{{{inner}}}"
        )
    return c


def greek_command(c: str) -> str:
    r"""The command of a Greek letter in formulas, or an empty text.

    Examples
    --------
    >>> print(greek_command("θ"), greek_command("ε"), greek_command("Λ"))
    \theta \varepsilon \Lambda
    """
    name = unicodedata.name(c, "").split()
    if len(name) != 4 or name[0] != "GREEK" or name[2] != "LETTER":
        return ""
    letter = "lambda" if name[3] == "LAMDA" else name[3].lower()
    if name[1] == "CAPITAL":
        capital = letter.capitalize()
        return LATIN_CAPITALS.get(capital, f"\\{capital}")
    return SMALL_LETTERS.get(letter, f"\\{letter}")
