"""Tables in every format: the same figures, escaped, aligned, renamed and marked."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
import warnings
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError
from lmforms.tables.html import html
from lmforms.tables.latex import escaped as latex_escaped
from lmforms.tables.latex import latex
from lmforms.tables.markdown import escaped as markdown_escaped
from lmforms.tables.markdown import markdown
from lmforms.tables.result_table import ResultTable
from lmforms.tables.shown import ShownResult, ShownTable
from lmforms.tables.text import text
from lmforms.tables.typst import typst

SPECIAL = r"a_b%&#$x{y}~^\|<z>"
UNICODE = "σ²≤χ₁−·…×é—μ̂"
FORMATS = ("to_text", "to_html", "to_latex", "to_markdown", "to_typst")


@cache
def slopes():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


@cache
def cake():
    return lf.lmer(
        "angle ~ recipe * temperature + (1 | recipe:replicate)", lf.datasets.load("cake")
    )


@cache
def odd():
    """A model whose names have all characters that a format may take for its own."""
    data = lf.datasets.load("sleepstudy")
    rng = np.random.default_rng(1)
    data[SPECIAL] = 1e6 * rng.normal(size=len(data))
    data[UNICODE] = 1e-6 * rng.normal(size=len(data))
    data["[g]*"] = ["*" + str(s) for s in data["Subject"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(f"Reaction ~ `{SPECIAL}` * `{UNICODE}` + (1 | `[g]*`)", data)


def results():
    fit = cake()
    return {
        "summary": slopes().summary(level=0.9),
        "odd": odd().summary(),
        "anova": fit.anova(),
        "means": fit.emmeans("recipe"),
        "tidy": slopes().tidy(),
        "glance": slopes().glance(),
        "models": lf.model_table([slopes(), odd()]),
    }


# --- LaTeX ---------------------------------------------------------------------------------------


def compiled(tmp_path, body, preamble=""):
    """Whether pdflatex makes a page of it."""
    file = tmp_path / "page.tex"
    file.write_text(
        f"\\documentclass{{article}}\n{preamble}\\begin{{document}}\n{body}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return done.stdout.decode(errors="replace")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_compiles_alone(tmp_path):
    parts = []
    for i, (name, result) in enumerate(results().items()):
        parts.append(result.to_latex(caption=f"{name} {SPECIAL} {UNICODE}", label=f"tab:{i}"))
        parts += [rf"See \ref{{tab:{i}}}.", result.to_latex()]
    parts.append(slopes().check(20).to_latex())
    log = compiled(tmp_path, "\n\n".join(parts))
    assert "Missing character" not in log
    assert "Warning: Command" not in log


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_with_booktabs(tmp_path):
    parts = [r.to_latex(booktabs=True, caption="A") for r in results().values()]
    assert all(r"\toprule" in part and r"\hline" not in part for part in parts)
    compiled(tmp_path, "\n\n".join(parts), "\\usepackage{booktabs}\n")


def test_every_special_character_is_escaped_in_latex():
    made = latex_escaped("_ % & # $ { } ~ ^ \\")
    assert made == (r"\_ \% \& \# \$ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{}")
    assert latex_escaped("σ ρ Ω χ² − ≤ × · …") == (
        r"$\sigma$ $\rho$ $\Omega$ $\chi$\textsuperscript{2} $-$ $\leq$ $\times$ $\cdot$ \ldots{}"
    )
    assert latex_escaped("θ̂, β̂₁") == r"$\hat{\theta}$, $\hat{\beta}$\textsubscript{1}"
    assert latex_escaped("e\N{COMBINING ACUTE ACCENT}") == "é"
    assert latex_escaped("a--b - c–d") == "a-{}-b - c--d"


def test_a_row_that_begins_with_a_bracket_is_no_argument():
    """Behind \\\\ LaTeX takes a bracket for a distance and a star for a variant."""
    made = ResultTable({"x": [1.5, 2.5]}, index=["[T.B]", "*"]).to_latex()
    assert "\n{}[T.B] &" in made
    assert "\n{}* &" in made


def test_caption_and_label_make_a_float():
    made = slopes().summary().to_latex(caption="Sleep & time", label="tab:sleep")
    assert made.startswith("\\begin{table}[htbp]")
    assert r"\caption{Sleep \& time}" in made
    assert r"\label{tab:sleep}" in made
    assert "Linear mixed model" not in made
    assert r"\begin{table}" not in slopes().summary().to_latex()


# --- the other formats ---------------------------------------------------------------------------


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_is_balanced_and_shows_names_as_they_are():
    for result in (*results().values(), slopes().check(20)):
        parser = Balanced()
        parser.feed(result.to_html())
        assert parser.open == []
    parser = Balanced()
    parser.feed(odd().summary().to_html(caption="<b>"))
    assert SPECIAL in parser.text
    assert UNICODE in parser.text
    assert "<b>" in parser.text


def test_html_has_no_colours_of_its_own():
    made = slopes().summary().to_html()
    assert set(re.findall(r"solid (\w+)", made)) == {"currentColor"}
    assert "color:" not in made
    assert "background" not in made


def test_markdown_rows_have_the_same_cells():
    made = odd().summary().to_markdown()
    lines = [line for line in made.split("\n") if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in lines[-6:]]
    assert len(set(bars)) == 1
    assert markdown_escaped(SPECIAL) in made
    assert "<z>" not in re.sub(r"``.*?``", "", made)


def test_typst_strings_hold_any_text():
    made = ResultTable({"x": [1.5]}, index=['a"b\\c#[d]']).to_typst(caption="A", label="t")
    assert '"a\\"b\\\\c#[d]", "1.5"' in made
    assert made.startswith("#figure(kind: table")
    assert made.endswith(") <t>")


def test_backticks_are_code_in_every_format():
    """In notes, and in cells of columns of sentences; a name of a row stays as it is."""
    sentence = "`x` is left out"
    table = ShownTable(("finding",), ("`a b`",), ((sentence,),), "p")
    shown = ShownResult("", (table,), notes=(sentence,))
    for made, code, kept in (
        (html(shown), "<code>x</code> is left out", "`a b`"),
        (latex(shown), r"\texttt{x} is left out", r"\textasciigrave{}a b"),
        (markdown(shown), "`x` is left out", r"\`a b\`"),
        (typst(shown), 'raw("x") + " is left out"', '"`a b`"'),
    ):
        assert made.count(code) == 2
        assert made.count(kept) == 1


def test_typst_compiles():
    compiler = pytest.importorskip("typst")
    parts = [r.to_typst(caption=SPECIAL) for r in results().values()]
    assert compiler.compile("\n\n".join(parts).encode(), format="pdf")


@pytest.mark.parametrize("method", FORMATS)
def test_no_hyphen_stands_for_a_minus(method):
    for result in (
        slopes().summary(),
        cake().summary(),
        slopes().glance(),
        lf.model_table([cake()]),
    ):
        made = getattr(result, method)()
        number = r"(?<![\w.{:(])-\d"  # not in the style of HTML and columns of LaTeX's rules
        assert not re.search(number, re.sub(r"<[^>]*>|\$-\$", "", made))
        assert "−" in made or "$-$" in made


# --- text ----------------------------------------------------------------------------------------


def widest(made):
    """Places of the longest line in a terminal: accents take none."""
    return max(sum(not unicodedata.combining(c) for c in line) for line in made.split("\n"))


def test_text_keeps_to_80_columns():
    fits = (slopes(), cake(), odd())
    for fit in fits:
        shown = (fit.summary(level=0.9), fit.tidy(), fit.glance(), lf.model_table([fit, fit]))
        for result in shown:
            assert widest(result.to_text()) <= 80
    assert widest(cake().summary().to_text(width=60)) <= 60


def test_columns_without_room_follow_below():
    made = cake().summary(level=0.95).to_text()
    assert made.count("recipe[T.B]:temperature[T.225]") == 2
    assert re.search(r"^ +lower +upper$", made, flags=re.M)


def test_long_row_labels_are_broken():
    table = ShownTable(("x",), ("a" * 30 + ":" + "b" * 60,), (("1",),), "r")
    assert text(ShownResult("", (table,)), 50).split("\n")[2:] == [
        "a" * 30 + ":",
        "  " + "b" * 45,
        "  " + "b" * 15 + " " * 31 + " 1",
    ]


def test_wide_characters_count_twice():
    lines = ResultTable({"x": [1.0, 2.0]}, index=["日本", "ab"]).to_text().split("\n")
    assert lines[-2] == "日本  1"
    assert lines[-1] == "ab    2"


def test_labels_with_line_ends_stay_on_one_line():
    table = ResultTable({"x\ty": [1.0, 2.5]}, index=["a\nb", "c\u2028d"], title="Two\nlines")
    assert table.to_text().split("\n") == [
        "Two lines",
        "     x y",
        "--------",
        "a b  1.0",
        "c d  2.5",
    ]


def test_huge_numbers_of_fixed_decimals_have_an_exponent():
    values = [np.nan, np.inf, -1e300, 2.5, -0.0]
    table = ResultTable({"df": values, "statistic": values, "aic": values})
    assert widest(table.to_text()) <= 40
    cells = [line.split(" | ") for line in table.to_markdown().split("\n")[2:]]
    assert cells[2] == ["| −1.00e+300", "−1.000e+300", "−1.00e+300 |"]
    assert cells[1] == ["| inf", "inf", "inf |"]
    assert cells[3] == ["| 2.50", "2.500", "2.50 |"]
    assert cells[4] == ["| 0.00", "0.000", "0.00 |"]


def test_a_covariate_held_below_zero_has_a_minus_sign():
    data = lf.datasets.load("cake")
    data = data.assign(below=np.linspace(-2.0, 1.0, len(data)))
    fit = lf.lmer("angle ~ recipe + below + (1 | replicate)", data)
    assert "mean, −0.5." in fit.emmeans("recipe").to_text()


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FORMATS)
def test_labels_rename_everywhere(method):
    labels = {"Days": "Nights", "Subject": "Driver", "std. error": "SE"}
    made = getattr(slopes().summary(), method)(labels=labels)
    body = re.sub(r"Formula[^\n]*?Subject\)", "", made)
    assert "Nights" in body
    assert "Driver (18)" in body
    assert "SE" in body
    assert not re.search(r"\bDays\b|\bSubject\b|std. error", body.split("Driver (18)")[1])


def test_labels_within_other_names():
    labels = {"recipe[T.B]": "B", "temperature[T.185]": "185 °C"}
    made = cake().summary().to_text(labels=labels)
    assert re.search(r"^B:185 °C +0\.133", made, flags=re.M)
    assert re.search(r"^recipe\[T\.C\]:185 °C ", made, flags=re.M)
    profile = lf.model_table([slopes()]).to_text(labels={"Days": "Day"})
    assert "sd(Day | Subject)" in profile
    assert "cor(Intercept, Day | Subject)" in profile


def test_a_label_is_not_a_part_of_a_word():
    table = ResultTable({"x": [1.0, 2.0, 3.0]}, index=["Day", "Days", "Day[T.2]"])
    lines = table.to_text(labels={"Day": "D"}).split("\n")[2:]
    assert [line.split()[0] for line in lines] == ["D", "Days", "Day[T.2]"]


def test_unknown_labels_name_what_is_near():
    with pytest.raises(ArgumentError, match=r"'Dasy'.*Did you mean `Days`"):
        slopes().summary().to_html(labels={"Dasy": "Nights"})
    with pytest.raises(ArgumentError, match=r"It has: .*Intercept"):
        slopes().tidy().to_markdown(labels={"zzzzzz": "Nights"})
    with pytest.raises(ArgumentError, match="mapping"):
        slopes().summary().to_html(labels="Days")
    for labels in ({"Days": 1}, {"": "Days"}):
        with pytest.raises(ArgumentError, match="no pair of texts"):
            slopes().summary().to_html(labels=labels)


def test_labels_leave_other_words_alone():
    data = lf.datasets.load("sleepstudy").rename(columns={"Days": "min"})
    made = lf.lmer("Reaction ~ min + (1 | Subject)", data).summary().to_text(labels={"min": "M"})
    assert "(min, quartiles, max)" in made
    assert "Reaction ~ min +" in made
    assert re.search(r"^M  ", made, flags=re.M)


def test_tables_keep_their_names_and_numbers():
    table = slopes().tidy()
    before = pd.DataFrame(table)
    table.to_latex(labels={"Days": "Nights"}, stars=True, digits=2)
    assert before.equals(pd.DataFrame(table))


# --- stars and digits ----------------------------------------------------------------------------


def test_stars_are_asked_for():
    summary = cake().summary()
    assert "*" not in summary.to_text().split("Fixed effects")[1]
    made = summary.to_text(stars=True)
    p = summary.tables["fixed"]["p_value"]
    for name, value in p.items():
        mark = "***" if value < 0.001 else "**" if value < 0.01 else "*" if value < 0.05 else ""
        assert re.search(rf"^{re.escape(name)} +−?\d+\.\d+{re.escape(mark)} ", made, flags=re.M)
    assert "* p < 0.05, ** p < 0.01, *** p < 0.001." in made


def test_stars_of_tables():
    assert "20.520***" in cake().anova().to_text(stars=True)
    with pytest.raises(ArgumentError, match="no p-values"):
        slopes().glance().to_html(stars=True)
    alone = lf.lmer("Reaction ~ 0 + (1 | Subject)", lf.datasets.load("sleepstudy"))
    with pytest.raises(ArgumentError, match="no fixed effects"):
        alone.summary().to_html(stars=True)


def test_estimates_and_standard_errors_have_the_same_decimals():
    for digits in (2, 4, 6):
        made = slopes().summary(level=0.9).to_text(digits=digits)
        [line] = re.findall(r"^Days.*", made.split("Fixed effects")[1], flags=re.M)
        estimate, error, *_, lower, upper = line.split()[1:]
        decimals = {len(v.partition(".")[2]) for v in (estimate, error, lower, upper)}
        assert decimals == {digits - 1}


@pytest.mark.parametrize("options", [{"digits": 0}, {"digits": 2.5}, {"digits": 16}])
def test_digits_are_checked(options):
    with pytest.raises(ArgumentError, match="digits"):
        slopes().summary().to_html(**options)


# --- arguments -----------------------------------------------------------------------------------


def test_arguments_of_pandas_are_refused_with_a_way():
    pytest.importorskip("jinja2")
    table = slopes().conf_int()
    with pytest.raises(ArgumentError, match=r"pd\.DataFrame\(table\)\.to_latex\(\)") as caught:
        table.to_latex(float_format="%.2f")
    assert "`float_format`" in str(caught.value)
    with pytest.raises(ArgumentError, match="named arguments only"):
        table.to_html("file.html")
    assert "tabular" in pd.DataFrame(table).to_latex()


def test_unknown_arguments_of_a_summary():
    with pytest.raises(ArgumentError, match="Did you mean `caption`") as caught:
        slopes().summary().to_latex(captoin="A")
    assert "pandas" not in str(caught.value)


@pytest.mark.parametrize("method", ["to_latex", "to_typst"])
def test_references_are_checked(method):
    summary = slopes().summary()
    with pytest.raises(ArgumentError, match="caption="):
        getattr(summary, method)(label="tab:a")
    with pytest.raises(ArgumentError, match="letters, digits"):
        getattr(summary, method)(caption="A", label="tab a}")
    with pytest.raises(ArgumentError, match="caption=3"):
        getattr(summary, method)(caption=3)


def test_headers_on_the_screen_are_names_of_columns():
    table = slopes().tidy()
    assert "std.error" in str(table)
    assert "std. error" in table.to_text()
    assert "std.error" in table._repr_html_()


def test_a_long_table_is_cut_in_every_format():
    table = ResultTable({"x": np.arange(1000.0)})
    for method in FORMATS:
        made = getattr(table, method)()
        assert "101" not in made
        assert "999" in made
        assert "…" in made or r"\ldots" in made
