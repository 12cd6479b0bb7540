"""What modalities.md says around its tables."""
# ruff: noqa: E501 (Markdown, whose tables cannot be wrapped)

HEAD = """\
# Held-out prediction: linear mixed forms beside PLS, CCA and reduced-rank regression

{date}; {versions}. One core, {minutes} minutes; `python benchmarks/modalities.py` makes this page.

One modality is predicted from others, for rows that were not seen: {splits} random splits, a quarter of the
rows held out. Columns are centred and scaled by the rows seen (pixels by one scale for the block, as they share a unit).
Every method is tuned on the rows seen alone, by {folds} inner folds, the same for all, from at most {choices} choices. The *share* is
1 − squared error / sum of squares over all columns of the held-out rows; ± is the standard deviation over splits. Differences are
paired, against the peer with the best mean *on the held-out rows* (a rival picked with hindsight); in brackets, splits won and
lost by more than 0.00005. Splits overlap, so the
standard error of a mean difference is larger than ±/√{splits}. The machine did other work meanwhile: times are rough.

| method | what it is | choices |
| --- | --- | --- |
| least squares, ridge | for reference | –; 72 penalties |
| PLS | scikit-learn's `PLSRegression` | all ranks |
| CCA, predict | scikit-learn's `CCA` on leading principal components, its own `predict` | 12 numbers of components × 6 ranks |
| CCA, variates | the same, but the response regressed on the canonical variates | the same |
| reduced-rank regression | ridge, projected on the leading directions of its fitted values | 12 penalties × 6 ranks |
| form, shrink | `transform(…, shrink=True)` | 6 ranks × 3 weights of Y (each is a fit of its own) |
| form, codes | ridge regression on the directions that codes see (`encode` is linear: at most 2k of them) | 6 ranks × 12 penalties |
| form, calibrated | K and H of the fit regressed on these directions, then decoded: stays in the form | the same |

Data, all inside scikit-learn or statsmodels: *digits*, 8 × 8 images cut into bands of rows; *tumours*, ten measurements of cell nuclei
(log) as mean, standard error and largest over an image; *fertility*, children per woman in 192 countries by year; *schools*, Californian
districts: teachers, pupils, and results with courses (log).
"""

THREE = """\
Y is predicted from X and Z, or X from Y and Z. Differences from the best peer:
"""

TWO = """\
Y from one other modality B. The form needs an X and a Z: B twice, odd and even columns of B, or its odd and even principal
components. Prediction is by regression on codes. Differences from the best peer:
"""

DIRECTIONS = """\
Y of the held-out rows regressed on 2k directions of X and Z, without penalty or tuning: the components of PLS, or what the codes of a
form of rank k see, with more and more weight on Y. Means over the same splits.
"""

READING = """\
## What the tables say

**A form's own prediction (`shrink=True`) is behind the best peer in every study**, by 0.009 to 0.16. Two things are in the way.
F rebuilds X and Z as well as Y, so directions of X that vary but say nothing of Y take up rank. And the prediction takes the form for
the whole truth: noise independent between columns and equal within a modality, and second moments of the codes that contain the
noise of their estimates. More rank does not cure that.

**Taken as directions to look at (`form, codes`), codes predict as well as the best peer on digits and tumours** (differences of at most
0.0002), **and not on all of the others**: 0.001 and 0.002 less on fertility and 0.005 less for teachers, all within one standard
deviation; 0.001 more for pupils. But see the ranks that were chosen: on digits and tumours the highest, always. There the codes see
every direction of what is given, and regression on them *is* ridge regression. The form does no harm; it adds nothing either.
It is below the best on fertility and teachers where the inner folds chose a lower rank, and so too few directions: by 0.002 (6 splits of 10), 0.005
(5 of 10) and 0.021 (2 of 10) against reduced-rank regression, but by less than 0.001 in the mean of the splits where the highest was chosen. Reduced-rank
regression chooses a rank too, but all of its ranks begin from the full ridge fit.

**For the same number of directions PLS is ahead** (table below): its components are made for Y, those of a form for three matrices at once.
More weight on Y changes little. A form is the choice if one latent space has to serve all modalities and all questions; for one response alone PLS or ridge is simpler, faster and as good.

**`form, calibrated` loses 0.0001 to 0.002 on digits, tumours and fertility, and 0.006 and 0.013 on schools**, where X and Z carry four directions each, and so a form at most
rank four, for five teachers' columns. The rank of a form is at most that of the smaller of X and Z, however many columns Y has.

**With one other modality**, B twice and its halves are as good as the best peer on digits and within 0.0006 of it on tumours. On fertility they differ by −0.014 to +0.006, with standard
deviations of 0.016 to 0.036: nothing to choose by. B twice has ranks up to that of B, costs the most time at them (1.4 s on digits, where halves take 0.1 s), and gives K and H no reason to differ.

`CCA, predict` is far behind because it takes the response's own variates to be those of the predictors; the regression on variates is the fair rival.
"""
