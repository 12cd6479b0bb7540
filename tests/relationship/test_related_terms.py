"""Known covariances of single terms: related and unrelated effects of the same levels."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from dense import profiled_criterion
from hypothesis import given, settings
from hypothesis import strategies as st
from pedigrees import random_parents
from scipy.optimize import minimize
from slow_cases import slow

import lmforms as lf
from lmforms.control import Control
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    FormulaError,
    IdentificationWarning,
    ModelError,
    RelationshipError,
    SingularWarning,
)
from lmforms.model import state_at
from lmforms.relationship import Pedigree, Relationship

pytestmark = pytest.mark.one_in(4)

N_ANIMALS = 40
ADDITIVE = "y ~ t + (1 | animal) + (1 | animal)"
SLOPES = "y ~ t + (t | animal) + (1 | animal)"


@pytest.fixture(scope="module")
def pedigree() -> Pedigree:
    sire, dam = random_parents(np.random.default_rng(3), N_ANIMALS)
    return Pedigree.of(list(range(N_ANIMALS)), sire, dam, unknown=(-1,))


@pytest.fixture(scope="module")
def data(pedigree) -> pd.DataFrame:
    """Repeated records with additive effects, their slopes and permanent environments."""
    rng = np.random.default_rng(20)
    root = np.linalg.cholesky(pedigree.relationship())
    lines = root @ rng.normal(size=(N_ANIMALS, 2)) @ np.array([[1.3, 0.4], [0.0, 0.7]])
    own = 0.8 * rng.normal(size=N_ANIMALS)
    animal = rng.permutation(np.repeat(np.arange(4, N_ANIMALS), 6))  # four have no records
    t, herd = rng.uniform(-1, 1, len(animal)), rng.integers(0, 5, len(animal))
    y = 2.0 + t + lines[animal, 0] + lines[animal, 1] * t + own[animal] + rng.normal(size=5)[herd]
    y += 0.6 * rng.normal(size=len(animal))
    return pd.DataFrame({"y": y, "t": t, "animal": animal, "herd": herd})


@pytest.fixture(scope="module")
def additive(data, pedigree) -> lf.MixedModelResults:
    return lf.lmer(ADDITIVE, data, relationship={"1 | animal": pedigree})


@pytest.fixture(scope="module")
def slopes(data, pedigree) -> lf.MixedModelResults:
    return lf.lmer(SLOPES, data, relationship={"t | animal": pedigree})


# --- the slow twin -------------------------------------------------------------------------


@dataclass
class Term:
    """A random term: levels and basis of the rows, covariance of the levels, its form of λ."""

    codes: np.ndarray
    basis: np.ndarray
    K: np.ndarray
    correlated: bool = False

    @property
    def n_theta(self) -> int:
        k = self.basis.shape[1]
        return k * (k + 1) // 2 if self.correlated else k

    def lam(self, theta: np.ndarray) -> np.ndarray:
        if not self.correlated:
            return np.diag(theta)
        k = self.basis.shape[1]
        out = np.zeros((k, k))
        out.T[np.triu_indices(k)] = theta  # by columns
        return out

    def Z(self) -> np.ndarray:
        n, k = self.basis.shape
        out = np.zeros((n, len(self.K), k))
        out[np.arange(n), self.codes] = self.basis
        return out.reshape(n, -1)

    def half(self, theta: np.ndarray) -> np.ndarray:
        """Cov(b, y)/σ²."""
        lam = self.lam(theta)
        return np.kron(self.K, lam @ lam.T) @ self.Z().T


def by_term(terms: Sequence[Term], theta: np.ndarray) -> list[np.ndarray]:
    return np.split(theta, np.cumsum([term.n_theta for term in terms])[:-1])


def marginal(terms: Sequence[Term], theta: np.ndarray) -> np.ndarray:
    """V₀."""
    parts = zip(terms, by_term(terms, theta), strict=True)
    return np.eye(len(terms[0].codes)) + sum(term.Z() @ term.half(own) for term, own in parts)


def criterion(theta, terms: Sequence[Term], data: pd.DataFrame, reml: bool = True) -> float:
    X = np.column_stack([np.ones(len(data)), data["t"]])
    return profiled_criterion(marginal(terms, theta), X, data["y"].to_numpy(), reml)


def additive_terms(data, A) -> list[Term]:
    ones = np.ones((len(data), 1))
    codes = data["animal"].to_numpy()
    return [Term(codes, ones, A), Term(codes, ones, np.eye(N_ANIMALS))]


def slope_terms(data, A) -> list[Term]:
    line = np.column_stack([np.ones(len(data)), data["t"]])
    related, own = additive_terms(data, A)
    return [Term(related.codes, line, A, correlated=True), own]


# --- numbers -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    ("formula", "key", "terms_of"),
    [(ADDITIVE, "1 | animal", additive_terms), (SLOPES, "t | animal", slope_terms)],
)
def test_against_a_dense_maximisation(formula, key, terms_of, reml, data, pedigree):
    fit = lf.lmer(formula, data, relationship={key: pedigree}, reml=reml)
    arguments = (terms_of(data, pedigree.relationship()), data, reml)
    assert fit.criterion == pytest.approx(criterion(fit.theta, *arguments), rel=1e-11)
    found = minimize(criterion, fit.theta, arguments, method="BFGS", options={"gtol": 1e-8})
    assert found.fun > fit.criterion - 1e-8
    other = 1.1 * fit.theta
    assert fit.at(other).criterion == pytest.approx(criterion(other, *arguments), rel=1e-11)


@pytest.mark.parametrize("which", ["additive", "slopes"])
def test_effects_and_their_covariances(which, request, data, pedigree):
    fit = request.getfixturevalue(which)
    terms = {"additive": additive_terms, "slopes": slope_terms}[which](
        data, pedigree.relationship()
    )
    V = marginal(terms, fit.theta)
    left = data["y"] - fit.params["Intercept"] - fit.params["t"] * data["t"]
    for name, term, theta in zip(fit.random_effects, terms, by_term(terms, fit.theta), strict=True):
        half, lam = term.half(theta), term.lam(theta)
        k = len(lam)
        wanted = (half @ np.linalg.solve(V, left)).reshape(-1, k)
        found = fit.random_effects[name]
        assert len(found) == (N_ANIMALS - 4 if name == "animal" else N_ANIMALS)
        np.testing.assert_allclose(found, wanted[found.index], rtol=1e-7, atol=1e-8)
        dense = fit.scale * (np.kron(term.K, lam @ lam.T) - half @ np.linalg.solve(V, half.T))
        for animal in (5, 39):
            own = slice(k * animal, k * (animal + 1))
            np.testing.assert_allclose(
                fit.random_effects_cov[name].loc[animal], dense[own, own], rtol=1e-6, atol=1e-8
            )


SPELLINGS = ("1 | animal", "0 + t | animal", "t | animal", "t || animal", "1 | herd")


@st.composite
def models(draw):
    """A formula, which of its terms are related, θ of each term."""
    texts = draw(st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=3, unique=True))
    related = [draw(st.booleans()) for _ in texts]
    if draw(st.booleans()) and any(related):  # a copy, unrelated
        i = related.index(True)
        at = draw(st.integers(i + 1, len(texts)))
        texts.insert(at, texts[i])
        related.insert(at, False)
    effects = {"1": ["1"], "0 + t": ["t"], "t": ["1", "t"]}
    unrelated = [
        (text.split("|")[-1], effect)
        for text, known in zip(texts, related, strict=True)
        if not known
        for effect in effects[text.split(" |")[0]]
    ]
    is_model = len(set(unrelated)) == len(unrelated)
    return texts, related, is_model, draw(st.integers(0, 2**31)), draw(st.booleans())


@settings(max_examples=25, deadline=None)
@given(models())
def test_any_terms_at_any_theta(data, model):
    texts, related, is_model, seed, reml = model
    rng = np.random.default_rng(seed)
    bases = {"1": [np.ones(len(data))], "0 + t": [data["t"]], "t": [np.ones(len(data)), data["t"]]}
    terms, K = [], {}
    for text, known in zip(texts, related, strict=True):
        left, group = text.split(" |")[0], text.split("| ")[-1]
        q = {"animal": N_ANIMALS, "herd": 5}[group]
        covariance = np.eye(q)
        if known:
            root = rng.normal(size=(q, q)) + 2 * np.eye(q)
            covariance = root @ root.T
            K[text] = (covariance, list(range(q)))
        basis = np.column_stack(bases[left])
        terms.append(Term(data[group].to_numpy(), basis, covariance, "||" not in text))
    formula = "y ~ t + " + " + ".join(f"({text})" for text in texts)
    if not is_model:
        with pytest.raises((FormulaError, ModelError), match=r"there twice|is a random effect"):
            lf.MixedModel(formula, data, relationship=K)
        return
    fitted = lf.MixedModel(formula, data, relationship=K)
    theta = rng.uniform(0.2, 1.0, sum(term.n_theta for term in terms))
    at = state_at(
        fitted, theta, fitted.design.y, reml=reml, control=Control(), method="auto"
    ).estimate
    assert at.criterion == pytest.approx(criterion(theta, terms, data, reml), rel=1e-9)


def test_two_covariances_of_the_same_levels(data, pedigree):
    A, t = pedigree.relationship(), data[["t"]].to_numpy()
    G = np.exp(-np.abs(np.subtract.outer(np.arange(N_ANIMALS), np.arange(N_ANIMALS))) / 3.0)
    known = {
        "1 | animal": pedigree,
        "0 + t | animal": pd.DataFrame(G, index=range(N_ANIMALS), columns=range(N_ANIMALS)),
    }
    fit = lf.lmer("y ~ t + (1 | animal) + (0 + t | animal)", data, relationship=known)
    terms = additive_terms(data, A)
    terms[1] = Term(terms[0].codes, t, G)
    assert fit.criterion == pytest.approx(criterion(fit.theta, terms, data), rel=1e-11)
    assert list(fit.random_effects) == list(known)
    assert lf.mme.equations(fit).model.names == tuple(known)


def test_the_order_of_terms_does_not_matter(slopes, data, pedigree):
    turned = lf.lmer(
        "y ~ t + (1 | animal) + (t | animal)", data, relationship={"t | animal": pedigree}
    )
    assert turned.criterion == pytest.approx(slopes.criterion, abs=1e-8)
    np.testing.assert_allclose(turned.theta, np.roll(slopes.theta, 1), rtol=1e-4, atol=1e-6)
    for name, effects in slopes.random_effects.items():
        np.testing.assert_allclose(turned.random_effects[name], effects, rtol=1e-4, atol=1e-5)


def test_copied_labels_are_the_same_model(additive, slopes, data, pedigree):
    """Before terms could be named, a copy of the column was another grouping factor."""
    copied = data.assign(own=data["animal"])
    for fit, formula in (
        (additive, "y ~ t + (1 | animal) + (1 | own)"),
        (slopes, "y ~ t + (t | animal) + (1 | own)"),
    ):
        other = lf.lmer(formula, copied, relationship={"animal": pedigree})
        assert fit.criterion == pytest.approx(other.criterion, abs=1e-8)
        np.testing.assert_allclose(fit.theta, other.theta, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(fit.matrices.b, other.matrices.b, rtol=1e-4, atol=1e-5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            forms = [one.forms(rank=1, max_iter=20).table for one in (fit, other)]
        pd.testing.assert_frame_equal(*forms, rtol=1e-3)


def test_the_only_term_of_a_factor(data, pedigree):
    for formula in ("y ~ t + (1 | animal) + (1 | herd)", "y ~ t + (t | animal)"):
        text = formula.split("(")[1].split(")")[0]
        by_factor = lf.lmer(formula, data, relationship={"animal": pedigree})
        by_term = lf.lmer(formula, data, relationship={text: pedigree})
        assert by_term.criterion == pytest.approx(by_factor.criterion, abs=1e-9)
        assert next(iter(by_term.random_effects)) == text


@pytest.mark.parametrize(
    "method", [slow("em"), slow("em-henderson"), "newton", "fisher", "quasi-newton"]
)
def test_every_method(method, additive, data, pedigree):
    fit = lf.lmer(ADDITIVE, data, relationship={"1 | animal": pedigree}, method=method)
    assert fit.criterion == pytest.approx(additive.criterion, abs=1e-6)


# --- after the fit -------------------------------------------------------------------------


def test_tables(additive, slopes):
    assert additive.vcomp["group"].tolist() == ["1 | animal", "animal", "Residual"]
    groups = ["t | animal"] * 3 + ["animal", "Residual"]
    assert slopes.vcomp["group"].tolist() == groups
    assert slopes.ngroups == {"t | animal": N_ANIMALS, "animal": N_ANIMALS - 4}
    for fit in (additive, slopes):
        known = list(fit.random_effects)
        assert list(fit.random_effects_cov) == list(fit.ngroups) == known
        for shown in (str(fit), fit.summary().to_markdown(), fit.summary().to_latex()):
            assert "animal" in shown
        assert all(effects.index.name == "animal" for effects in fit.random_effects.values())


def test_predictions_of_one_kind_of_effect(additive, data):
    new = pd.DataFrame({"t": [0.5, 0.5], "animal": [0, 7]})
    fixed = additive.params["Intercept"] + 0.5 * additive.params["t"]
    related, own = (additive.random_effects[name]["Intercept"] for name in ("1 | animal", "animal"))
    predicted = {
        random: additive.predict(new, random=[random], new_levels="zero").to_numpy() - fixed
        for random in ("1 | animal", "(1|animal)", "animal", "1 | animal (unrelated)")
    }
    for name in ("1 | animal", "(1|animal)"):
        np.testing.assert_allclose(predicted[name], related.loc[[0, 7]])
    for name in ("animal", "1 | animal (unrelated)"):
        np.testing.assert_allclose(predicted[name], [0.0, own.loc[7]])
    both = additive.predict(new, new_levels="zero").to_numpy() - fixed
    np.testing.assert_allclose(both, predicted["1 | animal"] + predicted["animal"])
    with pytest.raises(DataError, match="`animal` has levels that no row of the fit has: 0"):
        additive.predict(new)
    np.testing.assert_allclose(additive.predict(data), additive.fittedvalues)


@pytest.mark.parametrize("which", ["additive", "slopes"])
def test_matrices(which, request, data, pedigree):
    fit = request.getfixturevalue(which)
    m = fit.matrices
    np.testing.assert_allclose(m.y, m.X @ m.beta + m.Z @ m.b + m.e, rtol=1e-10)
    np.testing.assert_allclose(m.b, m.Lambda @ m.u, rtol=1e-6, atol=1e-8)
    assert m.z_names.is_unique
    terms = {"additive": additive_terms, "slopes": slope_terms}[which](
        data, pedigree.relationship()
    )
    np.testing.assert_allclose(m.V, fit.scale * marginal(terms, fit.theta), rtol=1e-8, atol=1e-9)
    rows = fit.design(data)
    assert rows.z_names.equals(m.z_names)
    np.testing.assert_allclose((rows.Z - m.Z).toarray(), 0.0)
    squares = fit.deviance_terms().loc["‖u‖²", "value"]
    assert squares == pytest.approx(float(m.u @ (m.Q @ m.u)), rel=1e-6)


@pytest.mark.parametrize("which", ["additive", slow("slopes")])
def test_round_trips(which, request, tmp_path, data):
    fit = request.getfixturevalue(which)
    fit.save(tmp_path / "fit.lmf")
    other = 1.1 * fit.theta
    for back in (lf.load(tmp_path / "fit.lmf"), pickle.loads(pickle.dumps(fit))):
        assert back.criterion == pytest.approx(fit.criterion, abs=1e-9)
        assert back.at(other).criterion == pytest.approx(fit.at(other).criterion, abs=1e-8)
        assert list(back.model.relationship) == list(fit.model.relationship)
        for name, effects in fit.random_effects.items():
            pd.testing.assert_frame_equal(back.random_effects[name], effects, rtol=1e-7)
        pd.testing.assert_series_equal(back.predict(data), fit.predict(data), rtol=1e-7)
    y = data["y"] + data["t"] ** 2
    whole = lf.lmer(fit.formula, data.assign(y=y), relationship=fit.model.relationship)
    assert fit.refit(y).criterion == pytest.approx(whole.criterion, abs=1e-7)


def test_mixed_model_equations(additive, data, pedigree):
    equations = lf.mme.equations(additive)
    np.testing.assert_allclose(equations.solve().beta, additive.params, rtol=1e-9)
    written = lf.mme.equations(
        ADDITIVE, data, variances=additive.vcomp, relationship={"1|animal": pedigree}
    )
    np.testing.assert_allclose(written.solve().beta, additive.params, rtol=1e-9)
    named = lf.mme.equations(
        "y ~ t + (t || animal) + (0 + t | animal)",
        data,
        variances={"Intercept | animal": 1, "t | animal": 2, "0 + t | animal": 3, "Residual": 1},
        relationship={"0 + t | animal": pedigree},
    )
    assert named.model.names == ("Intercept | animal", "t | animal", "0 + t | animal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        fit = lf.lmer(
            "y ~ t + (t || animal) + (0 + t | animal)",
            data,
            relationship={"0 + t | animal": pedigree},
        )
    by_table = lf.mme.equations(fit, variances=fit.vcomp)
    np.testing.assert_allclose(by_table.solve().beta, fit.params, rtol=1e-8)


def test_a_name_in_any_spelling(additive, slopes, data, pedigree):
    for key in ("1|animal", "(1 | animal)", " 1  |  animal ", "1 | `animal`", "( 1|animal )"):
        found = lf.MixedModel(ADDITIVE, data, relationship={key: pedigree})
        assert list(found.relationship) == ["1 | animal"]
    for formula, keys, names in (
        (SLOPES, ["1 | animal"], ["1 | animal"]),
        ("y ~ t + (t || animal) + (1 | animal)", ["t || animal"], ["t || animal"]),
        ("y ~ t + (t || animal) + (1 | animal)", ["t | animal"], ["t || animal"]),
        ("y ~ t + (t | animal) + (t || animal)", ["t | animal"], ["t | animal"]),
        ("y ~ t + (t | animal) + (t || animal)", ["t || animal"], ["t || animal"]),
        (
            "y ~ t + (t | animal) + (t || animal)",
            ["t|animal", "t||animal"],
            ["t | animal", "t || animal"],
        ),
        ("y ~ t + diag(t | animal) + (1 | animal)", ["diag(t|animal)"], ["diag(t | animal)"]),
        ("y ~ t + diag(t | animal) + (1 | animal)", ["t | animal"], ["diag(t | animal)"]),
        ("y ~ t + (I(t^2) | animal) + (1 | animal)", ["I(t^2) | animal"], ["I(t**2) | animal"]),
        ("y ~ t + (1 | animal/herd) + (1 | animal)", ["1 | animal"], ["1 | animal"]),
    ):
        model = lf.MixedModel(formula, data, relationship=dict.fromkeys(keys, pedigree))
        assert list(model.relationship) == names
        assert {g.name for g in model.design.groups} >= set(names)


def test_odd_names_of_columns(additive, data, pedigree):
    for name in ("my animal", "1", "class", "animal.id", "t | animal", "a:b"):
        renamed = data.rename(columns={"animal": name})
        formula = ADDITIVE.replace("animal", f"`{name}`")
        for key in (f"1 | {name}", f"1 | `{name}`", f"1|`{name}`"):
            fit = lf.lmer(formula, renamed, relationship={key: pedigree})
            assert fit.criterion == pytest.approx(additive.criterion, abs=1e-8)
            assert list(fit.random_effects) == [f"1 | {name}", name]
            new = renamed.drop(columns="y")
            np.testing.assert_allclose(fit.predict(new), additive.predict(data), rtol=1e-5)


def test_labels_tell_terms_apart(data, pedigree):
    for formula, keys, labels in (
        (ADDITIVE, ["1 | animal"], ["1 | animal", "1 | animal (unrelated)"]),
        (SLOPES, ["1 | animal"], ["t | animal", "1 | animal"]),
        (
            "y ~ (t | animal) + (t || animal)",
            ["t || animal"],
            ["t | animal (unrelated)", "t || animal"],
        ),
        (
            "y ~ (t | animal) + (t || animal)",
            ["t | animal", "t || animal"],
            ["t | animal", "t || animal"],
        ),
    ):
        model = lf.MixedModel(formula, data, relationship=dict.fromkeys(keys, pedigree))
        assert [term.label for term in model.design.terms] == labels


def test_names_that_differ_by_white_space(data, pedigree):
    K = pedigree.as_relationship()
    both = data.assign(**{"a b": data["animal"], "ab": data["herd"]})
    model = lf.MixedModel("y ~ t + (1 | `a b`) + (1 | ab)", both, relationship={"1 | a b": K})
    assert [g.name for g in model.design.groups] == ["1 | a b", "ab"]
    with pytest.raises(ArgumentError, match=r"`1\|a b` may be `1 \| a b` or `1 \| ab`"):
        lf.MixedModel("y ~ t + (1 | `a b`) + (1 | ab)", both, relationship={"1|a b": K})


@pytest.mark.parametrize(
    ("formula", "keys", "message"),
    [
        (ADDITIVE, ["2 | animal"], r"which has animal, 1 \| animal\. Did you mean"),
        (ADDITIVE, ["1 | herd"], "no grouping factor and no random term"),
        (ADDITIVE, ["t"], "`t` is no grouping factor and no random term"),
        ("y ~ t", ["1 | animal"], "which has none"),
        (ADDITIVE, ["animal", "1 | animal"], r"by `animal`\s+and another by `1 \| animal`"),
        (SLOPES, ["1 | animal", "1|animal"], r"by `1 \| animal`\s+and another by `1\|animal`"),
        (SLOPES, ["1 | animal", "animal"], "leave one out"),
    ],
)
def test_names_that_are_refused(formula, keys, message, data, pedigree):
    with pytest.raises(ArgumentError, match=message):
        lf.MixedModel(formula, data, relationship=dict.fromkeys(keys, pedigree))


def test_a_column_called_like_a_term_is_refused(data, pedigree):
    odd = data.assign(**{"1 | animal": data["herd"]})
    for key in ("1 | animal", "1|animal"):
        with pytest.raises(ArgumentError, match="is a grouping factor and a random term: rename"):
            lf.MixedModel(
                "y ~ t + (1 | animal) + (1 | `1 | animal`)", odd, relationship={key: pedigree}
            )


@pytest.mark.parametrize("known", [None, {"animal": None}])
def test_equal_terms_need_different_covariances(known, data, pedigree):
    if known is not None:
        known = {"animal": pedigree}
    way = r"leave one out, or give .* relationship=\{'1 \| animal': K\}"
    with pytest.raises(FormulaError, match=way):
        lf.lmer(ADDITIVE, data, relationship=known)
    with pytest.raises(FormulaError, match="there twice"):
        lf.lmer(ADDITIVE + " + (1 | animal)", data, relationship={"1 | animal": pedigree})
    with pytest.raises(ModelError, match="`Intercept` is a random effect of `animal`"):
        lf.lmer(SLOPES, data, relationship=known)


def test_interactions_need_labels_of_combinations(data, pedigree):
    with pytest.raises(
        RelationshipError, match=r"levels of `animal:herd` are tuples \(animal, herd"
    ):
        lf.lmer("y ~ t + (1 | animal/herd)", data, relationship={"1 | animal:herd": pedigree})


def test_many_responses_take_grouping_factors(data, pedigree):
    with pytest.raises(ArgumentError, match=r"`1 \| animal` is no grouping factor"):
        lf.lmer_many("~ t + (1 | animal)", data, data[["y"]], relationship={"1 | animal": pedigree})


def test_one_record_for_each_level(data, pedigree):
    """Only the related term may have as many levels as there are rows."""
    one = data.drop_duplicates("animal")
    with pytest.raises(ModelError, match=r"unrelated \(1 \| animal\) has 36 × 1 = 36 random"):
        lf.lmer(ADDITIVE, one, relationship={"1 | animal": pedigree})


# --- what the data do not tell -------------------------------------------------------------


@pytest.mark.parametrize("formula", [ADDITIVE, "y ~ t + (t | animal) + (t | animal)"])
def test_a_covariance_that_is_the_identity(formula, data):
    name = formula.split("(")[1].split(")")[0]
    K = Relationship.of(np.eye(N_ANIMALS), range(N_ANIMALS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        with pytest.warns(IdentificationWarning, match=rf"\({name[0]} \| animal\), unrelated"):
            fit = lf.lmer(formula, data, relationship={name: K})
    assert fit.unidentified_terms == [name, f"{name} (unrelated)"]


@pytest.mark.parametrize(
    ("related", "label", "remedy"),
    [
        (False, "1 | animal", "0 in (1 | animal). The fit is the optimum; to remove the "
         "redundancy, drop (1 | animal) and its relationship."),
        (True, "1 | animal (unrelated)", "0 in unrelated (1 | animal). The fit is the optimum; to "
         "remove the redundancy, drop (1 | animal)."),
    ],
)  # fmt: skip
def test_which_term_is_singular(related, label, remedy, data, pedigree):
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(pedigree.relationship()) if related else np.eye(N_ANIMALS)
    effects = root @ rng.normal(size=N_ANIMALS)
    y = effects[data["animal"]] + 0.1 * rng.normal(size=len(data))
    with pytest.warns(SingularWarning, match="singular fit") as caught:
        fit = lf.lmer(ADDITIVE, data.assign(y=y), relationship={"1 | animal": pedigree})
    assert fit.singular_terms == [label]
    assert str(caught[0].message).endswith(remedy)


def test_a_simpler_term_changes_the_relationship_too(data, pedigree):
    y = data["y"] - data["y"].groupby(data["animal"]).transform("mean")
    with pytest.warns(SingularWarning, match=r"\(and change `relationship`, which names it\)"):
        lf.lmer("y ~ t + (t | animal)", data.assign(y=y), relationship={"t | animal": pedigree})
    herds = Relationship.of(np.eye(5), range(5))
    records = data.assign(y=y + data["herd"])
    with pytest.warns(SingularWarning) as caught:
        lf.lmer("y ~ t + (1 | herd/animal)", records, relationship={"1 | herd": herds})
    assert "relationship" not in str(caught[0].message)  # the term that it names stays
